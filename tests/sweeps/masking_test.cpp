// SPDX-License-Identifier: GPL-3.0-or-later
// Controls of the masking experiment, its generated questions, and the two interventions on the weights of keys.
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/engine/generate.h"
#include "core/prompts/reasoning_task.h"
#include "core/sweeps/masking.h"
#include "core/sweeps/sink_calibration.h"
#include "core/sweeps/variant_answers.h"
#include "tests/engine/tiny_model.h"

namespace headscope::test {
namespace {

std::map<int, int> by_layer(const std::vector<HeadId>& heads) {
  std::map<int, int> counts;
  for (const HeadId& head : heads)
    ++counts[head.layer];
  return counts;
}

TEST(MatchedHeads, AreOfTheSameLayersAndNoneOfTheStrongest) {
  ModelConfig config = tiny_config("llama");
  config.n_layers = 6;
  config.n_heads = 8;
  std::vector<HeadId> ranking;
  for (int i = 0; i < 12; ++i)
    ranking.push_back({i % 5, i % 8});
  std::set<std::vector<HeadId>> drawn;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const MatchedHeads matched = matched_random_heads(ranking, 6, 12, config, seed);
    EXPECT_EQ(matched.moved, 0);
    EXPECT_EQ(by_layer(matched.heads), by_layer({ranking.begin(), ranking.begin() + 6}));
    for (const HeadId& head : matched.heads)
      EXPECT_EQ(std::count(ranking.begin(), ranking.end(), head), 0) << head.layer << "." << head.head;
    EXPECT_EQ(matched.heads, matched_random_heads(ranking, 6, 12, config, seed).heads);
    drawn.insert(matched.heads);
  }
  EXPECT_GT(drawn.size(), 10U);
}

TEST(MatchedHeads, MoveToTheNearestLayerWhereTheirsIsFull) {
  const ModelConfig config = tiny_config("llama"); // 3 layers of 4 heads
  const std::vector<HeadId> ranking = {{1, 0}, {1, 1}, {1, 2}, {2, 0}};
  const MatchedHeads matched = matched_random_heads(ranking, 3, 3, config, 1);
  EXPECT_EQ(matched.heads.size(), 3U);
  EXPECT_EQ(matched.moved, 2);
  EXPECT_EQ(by_layer(matched.heads)[1], 1);
}

TEST(MatchedHeads, TheUsualExclusionIsTheTopTenthAndAtMostAHundred) {
  ModelConfig config = tiny_config("llama");
  config.n_layers = 30;
  config.n_heads = 9;
  EXPECT_EQ(usual_exclusion(config), 27);
  config.n_layers = 32;
  config.n_heads = 32;
  EXPECT_EQ(usual_exclusion(config), 100);
}

// Every variant must be as if it were generated alone.
class VariantAnswers : public testing::TestWithParam<Phase> {};

TEST_P(VariantAnswers, AreThoseOfPlainGeneration) {
  at::set_num_threads(1);
  const Engine engine(tiny_model("llama"));
  const std::vector<std::int64_t> prompt = {3, 14, 15, 9, 26, 5};
  std::vector<Interventions> variants(5);
  for (int i = 1; i < 5; ++i) {
    Intervention out;
    out.site = {i % 2 ? HookPoint::z : HookPoint::pattern, i % 3};
    out.kind = i % 2 ? InterventionKind::zero : InterventionKind::uniform;
    out.head = i - 1;
    out.phase = GetParam();
    variants[static_cast<std::size_t>(i)] = {out};
  }
  AnswerOptions options;
  options.max_new_tokens = 12;
  options.ends = [](std::int64_t token) { return token % 7 == 0; };
  for (const std::int64_t budget : {std::int64_t{1}, std::int64_t{4096}}) {
    options.tokens_per_run = budget;
    const auto answers = answer_variants(engine, prompt, variants, options);
    ASSERT_TRUE(answers.ok()) << answers.error().to_string();
    for (std::size_t i = 0; i < variants.size(); ++i) {
      GenerateOptions alone;
      alone.max_new_tokens = 12;
      alone.stop_at_eos = false;
      alone.last_prompt_token_decodes = true;
      alone.interventions = variants[i];
      alone.on_token = [](std::int64_t token) { return token % 7 != 0; };
      EXPECT_EQ((*answers)[i], generate(engine, prompt, alone)->tokens) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Phases, VariantAnswers, testing::Values(Phase::prefill, Phase::decode, Phase::both));

// Against the definition in double precision, on the patterns of a run without the intervention.
class KeyInterventions : public testing::Test {
protected:
  static constexpr std::int64_t length = 9, layer = 1, head = 2;

  at::Tensor pattern(const std::vector<Intervention>& interventions) {
    RunRequest request;
    request.batch = TokenBatch::single({3, 14, 15, 9, 26, 5, 35, 8, 7});
    request.interventions = interventions;
    request.capture = {{HookPoint::pattern, layer}};
    const auto result = engine_.run(request);
    if (!result.ok()) throw std::runtime_error(result.error().to_string());
    return result->cache.get({HookPoint::pattern, layer})->select(0, 0).to(at::kDouble);
  }
  static Intervention at_head(HookPoint point, InterventionKind kind) {
    Intervention out;
    out.site = {point, layer};
    out.kind = kind;
    out.head = head;
    return out;
  }
  // The weights w of one query with those of `keys` times `factor` and the rest given to the others in proportion.
  static std::vector<double> expected(std::vector<double> w, const std::set<int>& keys, double factor) {
    double taken = 0.0, others = 0.0;
    for (int k = 0; k < static_cast<int>(w.size()); ++k)
      (keys.count(k) ? taken : others) += w[static_cast<std::size_t>(k)];
    if (others == 0.0) return w;
    for (int k = 0; k < static_cast<int>(w.size()); ++k)
      w[static_cast<std::size_t>(k)] *= keys.count(k) ? factor : 1.0 + taken * (1.0 - factor) / others;
    return w;
  }
  void expect_row(const at::Tensor& got, const at::Tensor& before, std::int64_t query, const std::set<int>& keys,
                  double factor) {
    const at::Tensor row = before[query].contiguous();
    const double* begin = row.const_data_ptr<double>();
    const std::vector<double> wanted = expected({begin, begin + length}, keys, factor);
    for (std::int64_t k = 0; k < length; ++k)
      EXPECT_NEAR(got[query][k].item<double>(), wanted[static_cast<std::size_t>(k)], 1e-6) << query << " " << k;
  }

  Engine engine_{tiny_model("llama")};
};

TEST_F(KeyInterventions, HideTakesKeysOutOfTheSoftmax) {
  const at::Tensor before = pattern({});
  Intervention hide = at_head(HookPoint::attn_scores, InterventionKind::hide);
  hide.keys = {0, 2, 3, 100};
  const at::Tensor after = pattern({hide});
  for (std::int64_t query = 0; query < length; ++query)
    expect_row(after[head], before[head], query, {0, 2, 3}, 0.0); // query 0 sees nothing else and keeps its weight
  EXPECT_TRUE(at::equal(after[0], before[0]));
}

TEST_F(KeyInterventions, RedistributeAtSomeQueries) {
  const at::Tensor before = pattern({});
  Intervention act = at_head(HookPoint::pattern, InterventionKind::redistribute);
  act.keys = {1, 4};
  act.factor = 0.4;
  act.positions = {5, 8};
  const at::Tensor after = pattern({act});
  for (std::int64_t query = 0; query < length; ++query)
    expect_row(after[head], before[head], query, query == 5 || query == 8 ? std::set<int>{1, 4} : std::set<int>{}, 0.4);
}

TEST_F(KeyInterventions, RedistributeFindsTheLaterSinks) {
  const at::Tensor before = pattern({});
  Intervention act = at_head(HookPoint::pattern, InterventionKind::redistribute);
  act.factor = 0.4;
  act.sink_threshold = 0.12;
  std::set<int> sinks;
  for (int k = 0; k < length; ++k)
    if (before[head].select(1, k).sum().item<double>() / static_cast<double>(length - k) > act.sink_threshold)
      sinks.insert(k);
  ASSERT_GT(sinks.size(), 2U);
  sinks.erase(sinks.begin());
  const at::Tensor after = pattern({act});
  for (std::int64_t query = 0; query < length; ++query)
    expect_row(after[head], before[head], query, sinks, 0.4);
}

TEST_F(KeyInterventions, AreRefusedWhereTheyMakeNoSense) {
  RunRequest request;
  request.batch = TokenBatch::single({1, 2, 3});
  request.interventions = {at_head(HookPoint::pattern, InterventionKind::hide)};
  EXPECT_EQ(engine_.run(request).error().code, ErrorCode::invalid_argument);
  request.interventions = {at_head(HookPoint::attn_scores, InterventionKind::hide)}; // no key
  EXPECT_EQ(engine_.run(request).error().code, ErrorCode::invalid_argument);
  request.interventions = {at_head(HookPoint::z, InterventionKind::redistribute)};
  EXPECT_EQ(engine_.run(request).error().code, ErrorCode::invalid_argument);
}

// The log-probability of the last token, with and without one head's sinks calibrated, run plainly.
double plain_log_prob(const Engine& engine, const std::vector<std::int64_t>& tokens, const Interventions& changes) {
  RunRequest request;
  request.batch = TokenBatch::single({tokens.begin(), tokens.end() - 1});
  request.interventions = changes;
  request.until = LogitRows::last;
  const auto result = engine.run(request);
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return result->logits[0].log_softmax(-1, at::kDouble)[tokens.back()].item<double>();
}

TEST(SinkCalibration, ChoosesTheHeadsThatGain) {
  at::set_num_threads(1);
  const Engine engine(tiny_model("llama"));
  const std::vector<std::vector<std::int64_t>> texts = {{3, 14, 15, 9, 26, 5, 35, 8}, {9, 7, 9, 3, 2, 38, 4, 6}};
  std::vector<MaskPrompt> tasks(2);
  for (std::size_t i = 0; i < 2; ++i) {
    tasks[i].judge = MaskJudge::log_prob;
    tasks[i].prompt.assign(texts[i].begin(), texts[i].end() - 1);
    tasks[i].continuation = {texts[i].back()};
  }
  SinkCalibrationOptions options;
  options.first_layer = 1;
  options.theta = 0.12;
  const auto found = calibrate_sinks(engine, tasks, options);
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  ASSERT_TRUE(found->complete);
  Interventions chosen;
  std::size_t changed = 0;
  for (int head = 0; head < 4; ++head) {
    EXPECT_TRUE(std::isnan(found->effects[static_cast<std::size_t>(head)])); // layer 0 is not searched
    EXPECT_TRUE(std::isnan(found->effects[static_cast<std::size_t>(8 + head)]));
    Intervention act;
    act.site = {HookPoint::pattern, 1};
    act.kind = InterventionKind::redistribute;
    act.head = head;
    act.factor = 0.4;
    act.sink_threshold = 0.12;
    const double effect = plain_log_prob(engine, texts[0], {act}) - plain_log_prob(engine, texts[0], {});
    EXPECT_NEAR(found->effects[static_cast<std::size_t>(4 + head)], effect, 1e-5) << head;
    changed += std::abs(effect) > 1e-5 ? 1 : 0;
    const bool gains = std::count(found->chosen.begin(), found->chosen.end(), HeadId{1, head}) > 0;
    if (std::abs(effect) > 1e-5) {
      EXPECT_EQ(gains, effect > 0.0) << head;
    }
    if (gains) chosen.push_back(act);
  }
  EXPECT_GE(changed, 2U);
  EXPECT_NEAR(found->clean, plain_log_prob(engine, texts[1], {}), 1e-5);
  EXPECT_NEAR(found->calibrated, plain_log_prob(engine, texts[1], chosen), 1e-5);
  EXPECT_EQ(calibrate_sinks(engine, {tasks[0]}, options).error().code, ErrorCode::invalid_argument);
}

TEST(ReasoningCases, AnswersFollowFromTheQuestion) {
  const auto cases = make_reasoning_cases(8, 3, 5);
  ASSERT_EQ(cases.size(), 8U);
  for (const ReasoningCase& item : cases) {
    const std::string question = item.direct.substr(item.direct.rfind("Q: "));
    EXPECT_EQ(question, item.chain.substr(item.chain.rfind("Q: ")));
    if (item.kind == "sum") {
      int sum = 0;
      for (const char c : question)
        if (c >= '0' && c <= '9') sum += c - '0'; // each number is one digit
      EXPECT_EQ(item.answer, std::to_string(sum)) << question;
    } else {
      const auto who = question.substr(question.find("box of ") + 7, question.find('?') - question.find("box of ") - 7);
      const auto owns = question.find(who + " owns the ") + who.size() + 10;
      const auto color = question.substr(owns, question.find(' ', owns) - owns);
      EXPECT_NE(question.find("The " + color + " box holds a " + item.answer + "."), std::string::npos) << question;
    }
    EXPECT_NE(item.chain.find("The answer is"), std::string::npos);
    EXPECT_EQ(make_reasoning_cases(8, 3, 5)[0].chain, cases[0].chain);
  }
}

} // namespace
} // namespace headscope::test
