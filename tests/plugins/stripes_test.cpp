// SPDX-License-Identifier: GPL-3.0-or-later
// Stripe scores: planted patterns, torch's own random numbers, and cancellation.
#include "plugins/detectors/stripes.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/engine/tile_statistics.h"
#include "plugins/detectors/builtin.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

// Streams `pattern` [batch, head, query, key] of two layers with two heads in tiles of `step` queries.
std::vector<float> stripe_of(const at::Tensor& pattern, std::int64_t distance, std::int64_t step) {
  ModelConfig config;
  config.n_layers = 2;
  config.n_heads = pattern.size(1);
  AttentionInput input;
  input.q = input.k = at::zeros({pattern.size(0), pattern.size(2), pattern.size(1), 1});
  AttentionStatisticsRequest request;
  request.distances = {distance};
  TileStatistics tiles(input, request);
  for (std::int64_t begin = 0; begin < pattern.size(2); begin += step)
    tiles.add({1, begin, pattern.narrow(2, begin, std::min(step, pattern.size(2) - begin))});
  AttentionStatistics layer = tiles.finish();
  layer.layer = 1;
  StripeMeans stripe(config);
  stripe.add(layer);
  return stripe.means();
}

// Head 0 attends at the distance with weight 0.75 in the first text and 0.25 in the second; head 1 never does.
at::Tensor planted(std::int64_t tokens, std::int64_t distance) {
  at::Tensor pattern = at::full({2, 2, tokens, tokens}, 0.001);
  for (std::int64_t q = 0; q < tokens; ++q)
    for (std::int64_t text = 0; text < 2; ++text) {
      pattern[text][1][q][q] = 1.0;
      if (q >= distance) pattern[text][0][q][q - distance] = text == 0 ? 0.75 : 0.25;
      if (q >= distance && distance > 0) pattern[text][1][q][q - distance] = 0.0;
    }
  return pattern;
}

TEST(Stripes, MeanIsOverTheWholeStripeAndTheBatchHoweverItIsTiled) {
  for (const std::int64_t distance : {1, 4, 5, 9})
    for (const std::int64_t step : {1, 3, 4, 10}) {
      const std::vector<float> means = stripe_of(planted(10, distance), distance, step);
      ASSERT_EQ(means.size(), 4U);
      EXPECT_TRUE(std::isnan(means[0]) && std::isnan(means[1])) << "layer 0 was never seen";
      EXPECT_NEAR(means[2], 0.5, 1e-7) << distance << " " << step;
      EXPECT_EQ(means[3], 0.0F) << distance << " " << step;
    }
}

TEST(Stripes, OneWeightCountsByTheLengthOfTheStripe) {
  at::Tensor pattern = at::zeros({1, 1, 8, 8});
  pattern[0][0][7][4] = 1.0;
  EXPECT_FLOAT_EQ(stripe_of(pattern, 3, 8)[1], 1.0F / 5.0F); // queries 3 to 7
  EXPECT_FLOAT_EQ(stripe_of(pattern, 2, 8)[1], 0.0F);
  EXPECT_FLOAT_EQ(stripe_of(pattern, 4, 8)[1], 0.0F);
}

// torch.manual_seed(seed); torch.randint(1000, 9999, (10, 50)), torch 2.11 on the CPU.
TEST(Stripes, TokensAreTorchsOwnNumbers) {
  const at::Tensor tokens = repeated_tokens({});
  ASSERT_EQ(tokens.sizes(), (at::IntArrayRef{10, 100}));
  EXPECT_TRUE(at::equal(tokens.narrow(1, 0, 50), tokens.narrow(1, 50, 50)));
  const std::vector<std::int64_t> first = {1977, 9186, 6272, 1704, 8644, 1852},
                                  last = {3391, 6522, 7534, 2688, 4716, 3493},
                                  seeded = {8034, 5394, 1954, 4522, 3523, 1225};
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(tokens[0][i].item<std::int64_t>(), first[static_cast<std::size_t>(i)]) << i;
    EXPECT_EQ(tokens[9][44 + i].item<std::int64_t>(), last[static_cast<std::size_t>(i)]) << i;
  }
  RepeatedTokens other;
  other.seed = 7;
  const at::Tensor drawn = repeated_tokens(other);
  for (std::int64_t i = 0; i < 6; ++i)
    EXPECT_EQ(drawn[0][i].item<std::int64_t>(), seeded[static_cast<std::size_t>(i)]) << i;
}

DetectorResult detect(const Engine& engine, const std::string& id, RunControl control = {},
                      const std::vector<std::pair<std::string, std::string>>& set = {}) {
  const auto detector = make_pattern_detector(id);
  OptionSet options(detector->options());
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{{"batch", "3"}, {"n", "9"}})
    EXPECT_TRUE(options.set(name, text).ok());
  for (const auto& [name, text] : set)
    EXPECT_TRUE(options.set(name, text).ok());
  auto result = detector->run({engine, options, {}, std::move(control)});
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return result.ok() ? *result : DetectorResult{};
}

// The same means from whole captured patterns.
TEST(PatternHeads, AreTheStripesOfTheModelsPatterns) {
  for (const std::string& family : test::tiny_families()) {
    const Engine engine(test::tiny_model(family));
    for (const auto& [id, distance] :
         std::vector<std::pair<std::string, std::int64_t>>{{"induction", 8}, {"previous", 1}, {"duplicate", 9}}) {
      const DetectorResult result = detect(engine, id);
      ASSERT_EQ(result.prompts.size(), 3U);
      RunRequest request;
      std::vector<at::Tensor> rows;
      for (const store::Prompt& prompt : result.prompts)
        rows.push_back(at::tensor(prompt.token_ids, at::kLong));
      request.batch.tokens = at::stack(rows);
      for (int layer = 0; layer < 3; ++layer)
        request.capture.push_back({HookPoint::pattern, layer});
      const auto run = engine.run(request);
      ASSERT_TRUE(run.ok()) << run.error().to_string();
      for (int layer = 0; layer < 3; ++layer) {
        const at::Tensor pattern = run->cache.get({HookPoint::pattern, layer})->to(at::kDouble);
        const at::Tensor means = pattern.diagonal(-distance, 2, 3).mean(at::IntArrayRef{0, 2});
        for (int head = 0; head < 4; ++head)
          EXPECT_NEAR(result.scores[result.index(layer, head)], means[head].item<double>(), 1e-6)
              << family << " " << id << " " << layer << "." << head;
      }
      EXPECT_TRUE(result.complete);
    }
  }
}

TEST(PatternHeads, DrawFromTheWholeVocabularyWhereItIsSmall) {
  const Engine engine(test::tiny_model("llama"));
  const DetectorResult result = detect(engine, "induction", {}, {{"batch", "50"}});
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result.findings, "low")), 0);
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result.findings, "high")), test::tiny_vocab);
  std::int64_t least = 1000, most = -1;
  for (const store::Prompt& prompt : result.prompts)
    for (const std::int64_t id : prompt.token_ids) {
      least = std::min(least, id);
      most = std::max(most, id);
    }
  EXPECT_EQ(least, 0);
  EXPECT_EQ(most, test::tiny_vocab - 1);
}

TEST(PatternHeads, SayWhatIsWrong) {
  const Engine engine(test::tiny_model("llama"));
  const auto detector = make_pattern_detector("induction");
  OptionSet options(detector->options());
  ASSERT_TRUE(options.set("low", "20").ok());
  ASSERT_TRUE(options.set("high", "20").ok());
  const auto empty = detector->run({engine, options, {}, {}});
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().field, "induction.low");
  OptionSet tall(detector->options());
  ASSERT_TRUE(tall.set("n", "33").ok()); // 66 tokens, the context has 64
  const auto too_long = detector->run({engine, tall, {}, {}});
  ASSERT_FALSE(too_long.ok());
  EXPECT_THAT(too_long.error().message, testing::HasSubstr("66 tokens"));
}

TEST(PatternHeads, KeepTheLayersThatWereRunBeforeACancellation) {
  const Engine engine(test::tiny_model("llama"));
  const DetectorResult whole = detect(engine, "induction");
  RunControl control;
  control.progress = [cancel = control.cancel](const Progress& progress) {
    EXPECT_EQ(progress.total, 3);
    if (progress.done == 2) cancel.cancel();
  };
  const DetectorResult part = detect(engine, "induction", control);
  EXPECT_FALSE(part.complete);
  for (std::int64_t head = 0; head < 4; ++head) {
    EXPECT_EQ(part.scores[part.index(0, head)], whole.scores[whole.index(0, head)]);
    EXPECT_EQ(part.scores[part.index(1, head)], whole.scores[whole.index(1, head)]);
    EXPECT_TRUE(std::isnan(part.scores[part.index(2, head)]));
  }
}

TEST(PatternHeads, CancelledBeforeTheStartIsAnError) {
  const Engine engine(test::tiny_model("llama"));
  RunControl control;
  control.cancel.cancel();
  const auto detector = make_pattern_detector("previous");
  OptionSet options(detector->options());
  for (const auto& [name, value] :
       {std::pair("batch", "2"), std::pair("n", "5"), std::pair("low", "0"), std::pair("high", "50")})
    ASSERT_TRUE(options.set(name, value).ok());
  const auto result = detector->run({engine, options, {}, control});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

} // namespace
} // namespace headscope
