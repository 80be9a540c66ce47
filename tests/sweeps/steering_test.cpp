// SPDX-License-Identifier: GPL-3.0-or-later
// Steering vectors against transformers (tests/golden/generate_steer.py): logits, differences of means, generated text.
#include "core/sweeps/steering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/engine/generate.h"
#include "tests/engine/golden.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double coefficient = 2.5; // of the reference
constexpr double tolerance = 2e-4;

std::vector<std::int64_t> ids_of(const at::Tensor& row) {
  const at::Tensor whole = row.contiguous();
  return {whole.const_data_ptr<std::int64_t>(), whole.const_data_ptr<std::int64_t>() + whole.numel()};
}

std::vector<double> doubles(const at::Tensor& values) { return to_list(values.to(at::kDouble).contiguous()); }

class SteeredModel : public testing::TestWithParam<std::string> {
protected:
  at::Tensor golden(const std::string& name) const { return golden_.at(GetParam() + "." + name); }

  Steering steering(SteeringOperation operation, const std::string& positions) const {
    Steering out;
    out.operation = operation;
    out.targets = {{{HookPoint::resid_pre, 1}, {}, golden("vector")}};
    out.positions = *SteeredPositions::parse(positions);
    return out;
  }

  std::vector<AblationPrompt> prompts() const {
    std::vector<AblationPrompt> out;
    for (std::int64_t row = 0; row < 2; ++row)
      out.push_back({ids_of(golden("tokens")[row]), {{3, 20}, {7}}});
    return out;
  }

  // Logits of the last token of every row, steered.
  at::Tensor logits(const Steering& how) const {
    RunRequest request;
    request.batch = batch_of(golden("tokens"));
    request.until = LogitRows::last;
    request.interventions = *steering_interventions(how, coefficient, 18, 18);
    const auto run = engine_.run(request);
    EXPECT_TRUE(run.ok()) << (run.ok() ? "" : run.error().to_string());
    return run->logits;
  }

  Tensors golden_ = read_golden("../analysis/steer");
  Engine engine_{load_golden(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Architectures, SteeredModel, testing::Values("gpt2", "llama"),
                         [](const auto& test) { return test.param; });

TEST_P(SteeredModel, LogitsAreThoseOfTransformers) {
  for (const auto& each : names_of<SteeringOperation>())
    for (const std::string positions : {"all", "last"}) {
      const std::string name = std::string(each.name).append("_").append(positions);
      EXPECT_LT(max_error(logits(steering(each.value, positions)), golden(name)), tolerance) << name;
      EXPECT_GT(max_error(logits(steering(each.value, positions)), logits(steering(each.value, "generated"))), 1e-3)
          << name << " changes nothing";
    }
}

TEST_P(SteeredModel, MetricsAreThoseOfTransformers) {
  SteeringOptions options;
  options.coefficients = {0.0, coefficient, -1.0};
  for (const auto& each : names_of<SteeringOperation>()) {
    const at::Tensor wanted = golden(std::string(each.name).append("_all"));
    const auto want = metric_values(MetricKind::logit_diff, wanted, std::vector<Answers>(2, {{3, 20}, {7}}));
    ASSERT_TRUE(want.ok());
    for (const std::int64_t budget : {0, 1, 40}) {
      options.tokens_per_run = budget;
      const auto got = steer_prompts(engine_, prompts(), steering(each.value, "all"), options);
      ASSERT_TRUE(got.ok()) << got.error().to_string();
      EXPECT_TRUE(got->complete);
      for (std::size_t prompt = 0; prompt < 2; ++prompt)
        EXPECT_NEAR(got->steered[got->index(1, prompt)], doubles(*want)[prompt], tolerance) << each.name;
      EXPECT_NEAR(got->mean(1), want->mean().item<double>(), tolerance);
      const bool nothing = each.value == SteeringOperation::add || each.value == SteeringOperation::project_out;
      const double at_zero = got->steered[got->index(0, 1)];
      EXPECT_NEAR(nothing ? at_zero : got->clean[1], got->clean[1], 1e-5) << "a coefficient of 0 changes nothing";
    }
  }
}

TEST_P(SteeredModel, DifferencesOfMeansAreThoseOfTransformers) {
  const at::Tensor tokens = golden("tokens");
  const TokenRows positive = {ids_of(tokens[0].slice(0, 0, 9)), ids_of(tokens[1].slice(0, 0, 6))};
  const TokenRows negative = {ids_of(tokens[0].slice(0, 9)), ids_of(tokens[1].slice(0, 8, 15))};
  for (const auto& [position, name] :
       {std::pair(ReadPosition::last, "difference_last"), {ReadPosition::mean, "difference_mean"}})
    for (const HookSite site : {HookSite{HookPoint::resid_pre, 1}, HookSite{HookPoint::resid_post, 0}})
      for (const std::int64_t budget : {0, 1}) {
        std::vector<SteeringTarget> targets = {{site, {}, {}}};
        const Status found = set_difference_of_means(engine_, positive, negative, position, budget, targets);
        ASSERT_TRUE(found.ok()) << found.error().to_string();
        EXPECT_LT(max_error(targets.front().vector, golden(name)), tolerance) << name;
      }
}

TEST_P(SteeredModel, WritesWhatTransformersWrites) {
  const std::vector<std::int64_t> prompt = ids_of(golden("tokens")[0].slice(0, 0, 7));
  for (const std::string positions : {"all", "last", "prompt", "generated"})
    for (const bool decodes : {false, true}) {
      GenerateOptions how;
      how.max_new_tokens = 12;
      how.stop_at_eos = false;
      how.last_prompt_token_decodes = decodes;
      how.interventions = *steering_interventions(steering(SteeringOperation::add, positions), coefficient, 7, 19);
      const auto made = generate(engine_, prompt, how);
      ASSERT_TRUE(made.ok()) << made.error().to_string();
      EXPECT_EQ(made->tokens, ids_of(golden("generated_" + positions))) << positions;
    }
}

// A head's z is steered as a hook that sees the whole tensor does it.
TEST_P(SteeredModel, ProjectsADirectionOutOfOneHead) {
  const at::Tensor direction = golden("vector").slice(0, 0, 8);
  Steering how;
  how.operation = SteeringOperation::project_out;
  how.targets = {{{HookPoint::z, 1}, 2, direction}};
  how.positions = *SteeredPositions::parse("3,-1");
  RunRequest request;
  request.batch = batch_of(golden("tokens"));
  request.until = LogitRows::last;
  request.hooks = {{{HookPoint::z, 1}, [&](HookSite, at::Tensor z) {
                      at::Tensor out = z.clone();
                      const at::Tensor there = direction.to(z.device());
                      for (const std::int64_t position : {3, 17}) {
                        const at::Tensor x = out.select(1, position).select(1, 2);
                        const at::Tensor along = at::matmul(x, there) / there.square().sum();
                        x.sub_(coefficient * along.unsqueeze(-1) * there);
                      }
                      return out;
                    }}};
  const auto wanted = engine_.run(request);
  ASSERT_TRUE(wanted.ok());
  EXPECT_LT(max_error(logits(how), wanted->logits), 1e-5);
}

TEST(Steering, NamesPositions) {
  Steering how;
  const auto slots = [&](const std::string& positions, Phase phase) {
    how.positions = *SteeredPositions::parse(positions);
    how.phase = phase;
    return *steered_slots(how, 4, 6);
  };
  EXPECT_THAT(slots("all", Phase::both), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(slots("all", Phase::prefill), ElementsAre(0, 1, 2));
  EXPECT_THAT(slots("all", Phase::decode), ElementsAre(3, 4, 5));
  EXPECT_THAT(slots("last", Phase::both), ElementsAre(3));
  EXPECT_THAT(slots("prompt", Phase::both), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(slots("generated", Phase::both), ElementsAre(4, 5));
  EXPECT_THAT(slots("-1,0,0", Phase::both), ElementsAre(0, 3));
  how.positions = *SteeredPositions::parse("4");
  EXPECT_EQ(steered_slots(how, 4, 6).error().field, "positions");
  for (const char* text : {"", "some", "1,", "1;2", "1.5"})
    EXPECT_EQ(SteeredPositions::parse(text).error().field, "positions") << text;
}

TEST(Steering, SaysWhatIsWrong) {
  const Engine engine(test::tiny_model("gpt_neox"));
  const std::vector<AblationPrompt> prompts = {{test::tiny_tokens(5, 0), {{5}, {11}}}};
  const auto refused = [&](SteeringTarget target) {
    Steering how;
    how.operation = SteeringOperation::project_out;
    how.targets = {std::move(target)};
    const auto result = steer_prompts(engine, prompts, how, {});
    return result.ok() ? std::string("accepted") : result.error().to_string();
  };
  EXPECT_THAT(refused({{HookPoint::resid_mid, 1}, {}, at::ones({16})}), HasSubstr("hook_resid_mid")); // parallel
  EXPECT_THAT(refused({{HookPoint::resid_pre, 7}, {}, at::ones({16})}), HasSubstr("site"));
  EXPECT_THAT(refused({{HookPoint::resid_pre, 1}, 0, at::ones({16})}), HasSubstr("no heads"));
  EXPECT_THAT(refused({{HookPoint::z, 1}, {}, at::ones({4})}), HasSubstr("by head"));
  EXPECT_THAT(refused({{HookPoint::z, 1}, 4, at::ones({4})}), HasSubstr("no head 1.4"));
  EXPECT_THAT(refused({{HookPoint::resid_pre, 1}, {}, at::ones({15})}), HasSubstr("15 numbers"));
  EXPECT_THAT(refused({{HookPoint::resid_pre, 1}, {}, at::zeros({16})}), HasSubstr("not 0"));
  EXPECT_EQ(refused({{HookPoint::resid_pre, 1}, {}, at::ones({16})}), "accepted");
  std::vector<SteeringTarget> targets = {{{HookPoint::resid_pre, 1}, {}, {}}};
  const TokenRows same = {test::tiny_tokens(5, 0)};
  EXPECT_EQ(set_difference_of_means(engine, same, same, ReadPosition::last, 0, targets).error().field, "positive");
}

} // namespace
} // namespace headscope
