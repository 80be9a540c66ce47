// SPDX-License-Identifier: GPL-3.0-or-later
// The batched sweep against the plain one, and the plain one against hooks that do the ablation themselves.
#include "core/sweeps/head_ablation.h"

#include <array>
#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/sweeps/ablation_source.h"
#include "tests/engine/tiny_model.h"
#include "tests/sweeps/plain_sweeps.h"

namespace headscope {
namespace {

using testing::HasSubstr;

std::vector<AblationPrompt> sample_prompts(const std::vector<std::int64_t>& lengths = {7, 9, 7, 12, 9}) {
  std::vector<AblationPrompt> out;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto seed = static_cast<std::int64_t>(i);
    out.push_back({test::tiny_tokens(lengths[i], seed), {{(5 + seed) % 50}, {(11 + 3 * seed) % 50}}});
  }
  return out;
}

double max_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::isnan(a[i]) == std::isnan(b[i]) ? std::max(most, std::isnan(a[i]) ? 0.0 : std::abs(a[i] - b[i]))
                                                : INFINITY;
  return most;
}

double largest(const std::vector<double>& values) {
  double most = 0.0;
  for (const double value : values)
    if (!std::isnan(value)) most = std::max(most, std::abs(value));
  return most;
}

HeadAblationResult must(Result<HeadAblationResult> result) {
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_string());
  return result.ok() ? std::move(result).value() : HeadAblationResult{};
}

class AblatedFamilies : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(HeadAblation, AblatedFamilies, testing::ValuesIn(test::tiny_families()),
                         [](const auto& family) { return family.param; });

TEST_P(AblatedFamilies, BatchedEqualsPlainForEveryMethodAndPhase) {
  const Engine engine(test::tiny_model(GetParam()));
  const auto prompts = sample_prompts();
  for (const AblationMethod method :
       {AblationMethod::zero, AblationMethod::mean, AblationMethod::resample, AblationMethod::uniform}) {
    for (const Phase phase : {Phase::both, Phase::prefill, Phase::decode}) {
      SCOPED_TRACE(std::string(to_string(method)) + " " + to_string(phase));
      HeadAblationOptions options;
      options.method = method;
      options.phase = phase;
      options.seed = 3;
      const auto plain = must(ablate_heads_plainly(engine, prompts, options));
      EXPECT_GT(largest(plain.effects), 0.05);
      for (const std::int64_t budget : {4096, 60, 1}) {
        options.tokens_per_run = budget;
        const auto batched = must(ablate_heads(engine, prompts, options));
        EXPECT_TRUE(batched.complete);
        EXPECT_EQ(batched.donors, plain.donors);
        EXPECT_LT(max_difference(batched.clean, plain.clean), 1e-4) << budget;
        EXPECT_LT(max_difference(batched.effects, plain.effects), 1e-4) << budget;
      }
    }
  }
}

TEST_P(AblatedFamilies, BatchedEqualsPlainForEveryMetric) {
  const Engine engine(test::tiny_model(GetParam()));
  for (const MetricKind metric : {MetricKind::logit_diff, MetricKind::prob_diff, MetricKind::kl_divergence,
                                  MetricKind::js_divergence, MetricKind::answer_rank, MetricKind::accuracy}) {
    for (const Phase phase : {Phase::both, Phase::decode}) {
      HeadAblationOptions options;
      options.metric = metric;
      options.phase = phase;
      const auto batched = must(ablate_heads(engine, sample_prompts(), options));
      const auto plain = must(ablate_heads_plainly(engine, sample_prompts(), options));
      EXPECT_LT(max_difference(batched.clean, plain.clean), 1e-4) << to_string(metric);
      EXPECT_LT(max_difference(batched.effects, plain.effects), 1e-4) << to_string(metric);
    }
  }
}

// ---- Ablations done by hooks that see the whole tensor.

double with_hook(const Engine& engine, const AblationPrompt& prompt, HookSite site, HookFn fn) {
  RunRequest request;
  request.batch = TokenBatch::single(prompt.tokens);
  request.until = LogitRows::all;
  if (fn) request.hooks = {{site, std::move(fn)}};
  const auto run = engine.run(request);
  EXPECT_TRUE(run.ok());
  const at::Tensor last = run->logits[0][static_cast<std::int64_t>(prompt.tokens.size()) - 1];
  return (last[prompt.answers.answer[0]] - last[prompt.answers.wrong[0]]).item<double>();
}

at::Tensor z_of(const Engine& engine, const std::vector<std::int64_t>& tokens, int layer) {
  at::Tensor out;
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.hooks = {{{HookPoint::z, layer}, [&](HookSite, at::Tensor z) {
                      out = z.clone();
                      return z;
                    }}};
  EXPECT_TRUE(engine.run(request).ok());
  return out[0]; // [pos, head_index, d_head]
}

// Checks every head of the sweep against z being replaced by new_z(prompt, layer, clean z) at that head.
void expect_replaced_z(const HeadAblationOptions& options,
                       const std::function<at::Tensor(const Engine&, std::size_t, int, at::Tensor)>& new_z) {
  const Engine engine(test::tiny_model("llama"));
  const auto prompts = sample_prompts();
  const auto swept = must(ablate_heads(engine, prompts, options));
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const double clean = with_hook(engine, prompts[p], {}, {});
    EXPECT_NEAR(swept.clean[p], clean, 1e-5);
    for (int layer = 0; layer < 3; ++layer) {
      const at::Tensor all = new_z(engine, p, layer, z_of(engine, prompts[p].tokens, layer));
      for (std::int64_t head = 0; head < 4; ++head) {
        const double ablated = with_hook(engine, prompts[p], {HookPoint::z, layer}, [&](HookSite, at::Tensor z) {
          at::Tensor changed = z.clone();
          for (std::int64_t position = 0; position < z.size(1); ++position)
            changed[0][position][head] = all[position][head];
          return changed;
        });
        EXPECT_NEAR(swept.effect(static_cast<std::int64_t>(p), layer, head), ablated - clean, 1e-4);
      }
    }
  }
}

TEST(HeadAblation, ZeroIsZ) {
  expect_replaced_z({}, [](const Engine&, std::size_t, int, at::Tensor z) { return at::zeros_like(z); });
}

TEST(HeadAblation, ZeroInTheDecodePhaseIsTheLastPosition) {
  HeadAblationOptions options;
  options.phase = Phase::decode;
  expect_replaced_z(options, [](const Engine&, std::size_t, int, at::Tensor z) {
    z[z.size(0) - 1].zero_();
    return z;
  });
}

TEST(HeadAblation, ZeroInThePrefillPhaseIsAllButTheLastPosition) {
  HeadAblationOptions options;
  options.phase = Phase::prefill;
  expect_replaced_z(options, [](const Engine&, std::size_t, int, at::Tensor z) {
    z.narrow(0, 0, z.size(0) - 1).zero_();
    return z;
  });
}

const TokenRows sample_reference = {test::tiny_tokens(14, 21), test::tiny_tokens(5, 22), test::tiny_tokens(9, 23)};

TEST(HeadAblation, MeanIsOverPositionsAndReferencePrompts) {
  HeadAblationOptions options;
  options.method = AblationMethod::mean;
  options.reference = sample_reference;
  expect_replaced_z(options, [](const Engine& engine, std::size_t, int layer, at::Tensor z) {
    at::Tensor sum = at::zeros({4, 4});
    for (const auto& row : sample_reference)
      sum += z_of(engine, row, layer).sum(0);
    return (sum / 28.0).expand_as(z);
  });
}

TEST(HeadAblation, MeanByPositionIsOverTheReferencePromptsThatHaveIt) {
  HeadAblationOptions options;
  options.method = AblationMethod::mean;
  options.mean_by_position = true;
  options.reference = sample_reference;
  expect_replaced_z(options, [](const Engine& engine, std::size_t, int layer, at::Tensor z) {
    at::Tensor out = at::zeros_like(z);
    for (std::int64_t position = 0; position < z.size(0); ++position) {
      int count = 0;
      for (const auto& row : sample_reference) {
        if (position >= static_cast<std::int64_t>(row.size())) continue;
        out[position] += z_of(engine, row, layer)[position];
        ++count;
      }
      out[position] /= count;
    }
    return out;
  });
}

TEST(HeadAblation, ResampleTakesTheDonorsLastPositions) {
  HeadAblationOptions options;
  options.method = AblationMethod::resample;
  options.reference = sample_reference;
  options.seed = 8;
  const Engine engine(test::tiny_model("llama"));
  const auto donors = must(ablate_heads(engine, sample_prompts(), options)).donors;
  expect_replaced_z(options, [&](const Engine& same, std::size_t prompt, int layer, at::Tensor z) {
    const at::Tensor donor = z_of(same, sample_reference[static_cast<std::size_t>(donors[prompt])], layer);
    const std::int64_t shared = std::min(donor.size(0), z.size(0));
    z.narrow(0, z.size(0) - shared, shared).copy_(donor.narrow(0, donor.size(0) - shared, shared));
    return z;
  });
}

TEST(HeadAblation, UniformAttendsEquallyToWhatIsVisible) {
  for (const char* family : {"gpt2", "gemma"}) {
    const Engine engine(test::tiny_model(family));
    const auto prompts = sample_prompts();
    HeadAblationOptions options;
    options.method = AblationMethod::uniform;
    const auto swept = must(ablate_heads(engine, prompts, options));
    for (std::size_t p = 0; p < prompts.size(); ++p) {
      const double clean = with_hook(engine, prompts[p], {}, {});
      for (int layer = 0; layer < 3; ++layer) {
        for (std::int64_t head = 0; head < 4; ++head) {
          const double ablated =
              with_hook(engine, prompts[p], {HookPoint::pattern, layer}, [&](HookSite, at::Tensor a) {
                at::Tensor changed = a.clone();
                const at::Tensor seen = (a[0][head] > 0).to(at::kFloat);
                changed[0][head] = seen / seen.sum(-1, true);
                return changed;
              });
          EXPECT_NEAR(swept.effect(static_cast<std::int64_t>(p), layer, head), ablated - clean, 1e-4)
              << family << " " << layer << "." << head;
        }
      }
    }
  }
}

// ---- Choices, callbacks, cancellation, errors

TEST(HeadAblation, DonorsAreOtherPromptsOfTheSameLengthWhereThereAreSome) {
  TokenRows prompts;
  for (const AblationPrompt& prompt : sample_prompts())
    prompts.push_back(prompt.tokens); // lengths 7 9 7 12 9
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto donors = choose_donors(prompts, prompts, seed).value();
    EXPECT_EQ(donors[0], 2);
    EXPECT_EQ(donors[1], 4);
    EXPECT_EQ(donors[2], 0);
    EXPECT_NE(donors[3], 3);
  }
  std::set<std::int64_t> chosen;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    chosen.insert(choose_donors(prompts, prompts, seed).value()[3]);
  EXPECT_EQ(chosen.size(), 4u);
  EXPECT_EQ(choose_donors({prompts[0]}, {prompts[0]}, 0).error().code, ErrorCode::mismatch);
  // Of four tokens, a donor of one token, aligned from the end, replaces the last.
  const TokenRows four = {{1, 2, 3, 4}}, one = {{9}}, three = {{7, 8, 9}};
  EXPECT_EQ(replaced_shares(four, one, {0}, Phase::both).value(), std::vector<double>{0.25});
  EXPECT_EQ(replaced_shares(four, one, {0}, Phase::decode).value(), std::vector<double>{1.0});
  EXPECT_EQ(replaced_shares(four, one, {0}, Phase::prefill).error().code, ErrorCode::mismatch);
  EXPECT_NEAR(replaced_shares(four, three, {0}, Phase::prefill).value()[0], 2.0 / 3.0, 1e-12);
}

TEST(HeadAblation, OnlyTheHeadsAskedForAreMeasured) {
  const Engine engine(test::tiny_model("llama"));
  HeadAblationOptions options;
  const auto all = must(ablate_heads(engine, sample_prompts(), options));
  options.heads = {{2, 3}, {0, 1}, {2, 0}, {0, 1}};
  for (const Phase phase : {Phase::both, Phase::decode}) {
    options.phase = phase;
    HeadAblationOptions every = options;
    every.heads.clear();
    const auto full = must(ablate_heads(engine, sample_prompts(), every));
    const auto some = must(ablate_heads(engine, sample_prompts(), options));
    for (std::int64_t p = 0; p < 5; ++p) {
      for (std::int64_t layer = 0; layer < 3; ++layer) {
        for (std::int64_t head = 0; head < 4; ++head) {
          const bool asked = (layer == 2 && (head == 0 || head == 3)) || (layer == 0 && head == 1);
          if (asked)
            EXPECT_NEAR(some.effect(p, layer, head), full.effect(p, layer, head), 1e-5);
          else
            EXPECT_TRUE(std::isnan(some.effect(p, layer, head)));
        }
      }
    }
    EXPECT_TRUE(some.complete);
  }
}

using Cells = std::map<std::array<std::int64_t, 3>, double>; // prompt, layer, head

// Adds what a part has; what came before must be the same.
void add_part(const HeadAblationPart& part, Cells& cells) {
  for (const std::int64_t prompt : part.prompts) {
    for (std::int64_t head = 0; head < 4; ++head) {
      const double effect = part.result->effect(prompt, part.layer, head);
      if (std::isnan(effect)) continue;
      EXPECT_FALSE(std::isnan(part.result->clean[static_cast<std::size_t>(prompt)]));
      const auto [at, added] = cells.insert({{prompt, part.layer, head}, effect});
      EXPECT_EQ(at->second, effect);
    }
  }
}

Cells cells_of(const HeadAblationResult& result) {
  Cells cells;
  for (std::int64_t prompt = 0; prompt < result.n_prompts; ++prompt)
    for (int layer = 0; layer < result.n_layers; ++layer)
      add_part({{prompt}, layer, &result}, cells);
  return cells;
}

TEST(HeadAblation, CallbackSeesEveryCell) {
  const Engine engine(test::tiny_model("gpt2"));
  HeadAblationOptions options;
  options.tokens_per_run = 60;
  Cells seen;
  std::int64_t last_done = 0, total = 0;
  RunControl control;
  control.progress = [&](const Progress& progress) {
    EXPECT_GE(progress.done, last_done);
    last_done = progress.done;
    total = progress.total;
  };
  const auto result =
      must(ablate_heads(engine, sample_prompts(), options, control, [&](const HeadAblationPart& part) -> Status {
        add_part(part, seen);
        return {};
      }));
  EXPECT_EQ(seen.size(), 60u);
  EXPECT_EQ(seen, cells_of(result));
  EXPECT_EQ(last_done, total);
  EXPECT_EQ(total, 5 * 12);
  const auto mean = result.mean_effects();
  ASSERT_EQ(mean.size(), 12u);
  double sum = 0.0;
  for (std::int64_t p = 0; p < 5; ++p)
    sum += result.effect(p, 1, 2);
  EXPECT_NEAR(mean[1 * 4 + 2], sum / 5, 1e-12);
}

TEST(HeadAblation, CancellationKeepsWhatWasMeasured) {
  const Engine engine(test::tiny_model("llama"));
  for (const Phase phase : {Phase::both, Phase::decode}) {
    HeadAblationOptions options;
    options.phase = phase;
    options.tokens_per_run = 40;
    const auto full = cells_of(must(ablate_heads(engine, sample_prompts(), options)));
    RunControl control;
    int parts = 0;
    Cells seen;
    const auto result =
        must(ablate_heads(engine, sample_prompts(), options, control, [&](const HeadAblationPart& part) -> Status {
          add_part(part, seen);
          if (++parts == 5) control.cancel.cancel();
          return {};
        }));
    EXPECT_FALSE(result.complete);
    EXPECT_EQ(parts, 5);
    EXPECT_EQ(seen, cells_of(result));
    EXPECT_LT(seen.size(), full.size());
    for (const auto& [cell, effect] : seen)
      EXPECT_EQ(effect, full.at(cell));
  }
}

// At the usual number of tokens a whole run is many seconds of a large model.
TEST(HeadAblation, TheFirstRunIsSmall) {
  const Engine engine(test::tiny_model("llama"));
  HeadAblationOptions options;
  options.tokens_per_run = 800; // all cells fit
  RunControl control;
  const auto result =
      must(ablate_heads(engine, sample_prompts(), options, control, [&](const HeadAblationPart&) -> Status {
        control.cancel.cancel();
        return {};
      }));
  const std::size_t measured = cells_of(result).size();
  EXPECT_GT(measured, 0u);
  EXPECT_LT(measured, 20u); // not even one layer of all prompts
}

TEST(HeadAblation, CancelledBeforeTheStartMeasuresNothing) {
  const Engine engine(test::tiny_model("llama"));
  RunControl control;
  control.cancel.cancel();
  const auto result = must(ablate_heads(engine, sample_prompts(), {}, control));
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.effects.size(), 60u);
  EXPECT_TRUE(std::isnan(result.clean[0]));
}

TEST(HeadAblation, AnErrorOfTheCallbackEndsTheSweep) {
  const Engine engine(test::tiny_model("llama"));
  const auto result = ablate_heads(engine, sample_prompts(), {}, {}, [](const HeadAblationPart&) -> Status {
    return make_error(ErrorCode::io, "the disk is full");
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::io);
}

TEST(HeadAblation, SaysWhatIsWrong) {
  const Engine engine(test::tiny_model("llama"));
  const auto error = [&](std::vector<AblationPrompt> prompts, const HeadAblationOptions& options) {
    const auto result = ablate_heads(engine, prompts, options);
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  };
  EXPECT_EQ(error({}, {}).field, "prompts");
  HeadAblationOptions options;
  options.heads = {{3, 0}};
  EXPECT_THAT(error(sample_prompts(), options).message,
              HasSubstr("3.0 does not exist: the model has 3 layers of 4 heads"));
  EXPECT_THAT(error({{{}, {{1}, {2}}}}, {}).message, HasSubstr("prompt 0 is empty"));
  EXPECT_THAT(error({{{1, 50}, {{1}, {2}}}}, {}).message, HasSubstr("token id 50"));
  EXPECT_THAT(error({{test::tiny_tokens(65, 0), {{1}, {2}}}}, {}).message, HasSubstr("65 tokens"));
  EXPECT_THAT(error({{{1, 2}, {{1}, {}}}}, {}).message, HasSubstr("no wrong answer"));
  options = {};
  options.phase = Phase::decode;
  EXPECT_EQ(error({{{1}, {{1}, {2}}}}, options).field, "phase");
  options = {};
  options.method = AblationMethod::resample;
  EXPECT_EQ(error({{{1, 2}, {{1}, {2}}}}, options).code, ErrorCode::mismatch);
  options = {};
  options.mean_by_position = true;
  EXPECT_EQ(error(sample_prompts(), options).field, "mean_by_position");
  options.method = AblationMethod::mean;
  options.reference = {test::tiny_tokens(11, 0)};
  EXPECT_THAT(error(sample_prompts(), options).message, HasSubstr("12 tokens"));
  options = {};
  options.tokens_per_run = -1;
  EXPECT_EQ(error(sample_prompts(), options).field, "tokens_per_run");
}

TEST(HeadAblation, NamesAreParsed) {
  for (const char* name : {"zero", "mean", "resample", "uniform"})
    EXPECT_STREQ(to_string(parse_name<AblationMethod>(name, "method").value()), name);
  for (const char* name : {"prefill", "decode", "both"})
    EXPECT_STREQ(to_string(parse_name<Phase>(name, "phase").value()), name);
  EXPECT_EQ(parse_name<AblationMethod>("noise", "method").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(parse_name<Phase>("", "phase").error().code, ErrorCode::invalid_argument);
}

} // namespace
} // namespace headscope
