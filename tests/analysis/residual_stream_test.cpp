// SPDX-License-Identifier: GPL-3.0-or-later
// The logit lens and direct logit attribution against transformers: tests/golden/generate_circuits.py.
#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/analysis/direct_logit_attribution.h"
#include "core/analysis/logit_lens.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

constexpr double tolerance = 1e-4;

nlohmann::json golden(const std::string& name) {
  std::ifstream in(std::string(HEADSCOPE_GOLDEN_DIR) + "/circuits/" + name + ".json");
  return nlohmann::json::parse(in);
}

Engine golden_engine(const std::string& name) {
  at::set_num_threads(1);
  auto model = load_model(std::string(HEADSCOPE_GOLDEN_DIR) + "/models/" + name, {});
  if (!model.ok()) throw std::runtime_error(model.error().to_string());
  return Engine(*model);
}

void flatten(const nlohmann::json& json, std::vector<double>& out) {
  if (json.is_number()) out.push_back(json.get<double>());
  for (const auto& part : json)
    if (!json.is_number()) flatten(part, out);
}

template <typename T> void expect_equal(const std::vector<T>& got, const nlohmann::json& wanted, const char* what) {
  std::vector<double> values;
  flatten(wanted, values);
  ASSERT_EQ(got.size(), values.size()) << what;
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(static_cast<double>(got[i]), values[i], tolerance) << what << " " << i;
}

class ResidualStream : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Golden, ResidualStream,
                         testing::Values("gpt2", "llama", "gpt_neox", "gpt_neox_serial", "gemma2", "gemma3"),
                         [](const auto& name) { return name.param; });

TEST_P(ResidualStream, LogitLens) {
  const auto wanted = golden(GetParam()).at("lens");
  const Engine engine = golden_engine(GetParam());
  LogitLensOptions options;
  options.tokens = {7};
  options.top = 5;
  const auto lens = logit_lens(engine, wanted.at("tokens"), options);
  ASSERT_TRUE(lens.ok()) << lens.error().to_string();
  ASSERT_EQ(lens->sites.size(), static_cast<std::size_t>(engine.config().n_layers) + 1);
  ASSERT_EQ(lens->positions.size(), 9U);
  expect_equal(lens->top_ids, wanted.at("top_ids"), "top_ids");
  expect_equal(lens->top_logits, wanted.at("top_logits"), "top_logits");
  expect_equal(lens->top_probabilities, wanted.at("top_probabilities"), "top_probabilities");
  expect_equal(lens->token_logits, wanted.at("logits_of_7"), "token_logits");
  expect_equal(lens->token_ranks, wanted.at("ranks_of_7"), "token_ranks");
  expect_equal(lens->kl_divergence, wanted.at("kl"), "kl_divergence");
}

TEST_P(ResidualStream, DirectLogitAttribution) {
  const auto all = golden(GetParam());
  const auto& wanted = all.at("attribution");
  const std::vector<std::int64_t> tokens = all.at("lens").at("tokens");
  // Adds a longer prompt, so that there is padding.
  std::vector<std::int64_t> longer = tokens;
  longer.insert(longer.end(), {5, 9, 11});
  const Answers answers{{wanted.at("answer")}, {wanted.at("wrong")}};
  const auto found = attribute_logits(golden_engine(GetParam()), {{longer, answers}, {tokens, answers}});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  const auto second = [](const std::vector<double>& values) {
    return std::vector<double>(values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  };
  expect_equal(second(found->input), wanted.at("input"), "input");
  expect_equal(second(found->heads), wanted.at("heads"), "heads");
  expect_equal(second(found->mlps), wanted.at("mlps"), "mlps");
  expect_equal(second(found->attn_bias), wanted.at("attn_bias"), "attn_bias");
  expect_equal(second(found->constant), wanted.at("constant"), "constant");
  expect_equal(second(found->total), wanted.at("total"), "total");
  EXPECT_GT(std::abs(found->total[1]), 100 * tolerance);
}

class EveryFamily : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily, testing::ValuesIn(test::tiny_families()),
                         [](const auto& family) { return family.param; });

// In every architecture the parts add up to the total, which is the difference of the model's logits.
TEST_P(EveryFamily, PartsAddUpToTheLogitDifference) {
  const Engine engine(test::tiny_model(GetParam()));
  const auto tokens = test::tiny_tokens(11, 3);
  const auto found = attribute_logits(engine, {{tokens, {{4, 6}, {20}}}});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  double sum = found->input[0] + found->constant[0];
  for (const auto* parts : {&found->heads, &found->attn_bias, &found->mlps})
    for (const double part : *parts)
      sum += part;
  EXPECT_NEAR(sum, found->total[0], tolerance);
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.until = LogitRows::last;
  const auto run = engine.run(request);
  ASSERT_TRUE(run.ok());
  at::Tensor logits = run->logits[0].to(at::kDouble);
  if (const auto cap = engine.config().final_softcap) logits = at::atanh(logits / *cap) * *cap;
  const double difference = ((logits[4] + logits[6]) / 2 - logits[20]).item<double>();
  EXPECT_NEAR(difference, found->total[0], tolerance * 10); // atanh loses digits
}

TEST_P(EveryFamily, TheLastRowOfTheLensIsTheModel) {
  const Engine engine(test::tiny_model(GetParam()));
  const auto tokens = test::tiny_tokens(9, 1);
  LogitLensOptions options;
  options.positions = {-1, 2};
  options.top = 1000; // more than there are
  options.mid = true;
  const auto lens = logit_lens(engine, tokens, options);
  ASSERT_TRUE(lens.ok()) << lens.error().to_string();
  EXPECT_EQ(lens->top, test::tiny_vocab);
  EXPECT_EQ(lens->positions, (std::vector<std::int64_t>{8, 2}));
  EXPECT_EQ(lens->sites.size(), engine.config().has_resid_mid() ? 7U : 4U);
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  const auto run = engine.run(request);
  ASSERT_TRUE(run.ok());
  const std::size_t last = lens->index(lens->sites.size() - 1, 1) * test::tiny_vocab;
  for (std::size_t i = 0; i < test::tiny_vocab; ++i)
    EXPECT_NEAR(run->logits[0][2][lens->top_ids[last + i]].item<double>(), lens->top_logits[last + i], 1e-5);
  EXPECT_NEAR(lens->kl_divergence.back(), 0.0, 1e-12);
  EXPECT_GT(lens->kl_divergence.front(), 1e-3);
}

TEST(ResidualStreamErrors, NameWhatIsWrong) {
  const Engine engine(test::tiny_model("gpt2"));
  LogitLensOptions options;
  options.positions = {4};
  auto lens = logit_lens(engine, {1, 2, 3}, options);
  ASSERT_FALSE(lens.ok());
  EXPECT_EQ(lens.error().field, "positions");
  lens = logit_lens(engine, {1, 2, 3}, {{}, {50}, 1, false});
  ASSERT_FALSE(lens.ok());
  EXPECT_EQ(lens.error().field, "tokens");
  auto found = attribute_logits(engine, {{{1, 2}, {}}});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().field, "answer");
  found = attribute_logits(engine, {{{}, {{1}, {}}}});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
}

TEST(DirectLogitAttribution, WithoutAWrongAnswerItIsTheLogit) {
  const Engine engine(test::tiny_model("llama"));
  const auto tokens = test::tiny_tokens(7, 2);
  const auto found = attribute_logits(engine, {{tokens, {{4}, {}}}});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  const auto run = engine.run(request);
  ASSERT_TRUE(run.ok());
  EXPECT_NEAR(run->logits[0][6][4].item<double>(), found->total[0], tolerance);
}

} // namespace
} // namespace headscope
