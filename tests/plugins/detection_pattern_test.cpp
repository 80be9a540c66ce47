// SPDX-License-Identifier: GPL-3.0-or-later
// Ideal patterns of pattern heads and the similarity to them.
#include "plugins/detectors/detection_pattern.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/detectors/builtin.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

std::vector<std::string> rows_of(const std::string& kind, const std::vector<std::int64_t>& tokens) {
  const at::Tensor pattern = detection_pattern(kind, at::tensor(tokens, at::kLong));
  std::vector<std::string> rows;
  for (std::int64_t q = 0; q < pattern.size(0); ++q) {
    std::string row;
    for (std::int64_t k = 0; k < pattern.size(1); ++k)
      row += pattern[q][k].item<double>() == 0.0 ? '.' : '1';
    rows.push_back(row);
  }
  return rows;
}

TEST(DetectionPattern, MarksWhereSuchAHeadWouldLook) {
  const std::vector<std::int64_t> tokens = {5, 7, 5, 5, 7};
  EXPECT_THAT(rows_of("previous", tokens), testing::ElementsAre(".....", "1....", ".1...", "..1..", "...1."));
  EXPECT_THAT(rows_of("duplicate", tokens), testing::ElementsAre(".....", ".....", "1....", "1.1..", ".1..."));
  // After the earlier occurrences of the query's token; after the one just before, that is the query itself.
  EXPECT_THAT(rows_of("induction", tokens), testing::ElementsAre(".....", ".....", ".1...", ".1.1.", "..1.."));
}

std::vector<float> likeness(const at::Tensor& pattern, const at::Tensor& expected, SimilarityOptions options,
                            std::int64_t step) {
  ModelConfig config;
  config.n_layers = 2;
  config.n_heads = pattern.size(1);
  SimilaritySum sum(config, expected, options);
  for (std::int64_t begin = 0; begin < pattern.size(2); begin += step)
    sum.add({1, begin, pattern.narrow(2, begin, std::min(step, pattern.size(2) - begin))});
  return sum.means();
}

TEST(Similarity, IsByHand) {
  at::Tensor pattern = at::zeros({1, 1, 3, 3});
  pattern[0][0][0][0] = 1.0;
  pattern[0][0][1][0] = 0.75;
  pattern[0][0][1][1] = 0.25;
  pattern[0][0][2][0] = 0.5;
  pattern[0][0][2][1] = 0.3;
  pattern[0][0][2][2] = 0.2;
  const at::Tensor expected = detection_pattern("previous", at::arange(3)).unsqueeze(0);
  const auto score = [&](Similarity measure, bool bos, bool current) {
    const std::vector<float> whole = likeness(pattern, expected, {measure, bos, current}, 3);
    EXPECT_TRUE(std::isnan(whole[0])) << "layer 0 was never seen";
    EXPECT_FLOAT_EQ(likeness(pattern, expected, {measure, bos, current}, 2)[1], whole[1]) << "in tiles";
    return whole[1];
  };
  EXPECT_FLOAT_EQ(score(Similarity::mul, false, false), 1.05F / 3.0F);
  EXPECT_FLOAT_EQ(score(Similarity::mul, false, true), 1.05F / 1.55F);
  EXPECT_FLOAT_EQ(score(Similarity::mul, true, false), 0.3F / 0.75F);
  EXPECT_FLOAT_EQ(score(Similarity::mul, true, true), 1.0F);
  // |A - P|: 1 / .25 .25 / .5 .7 .2, over 3 tokens; a difference of nearly equal numbers, so not to the last digit.
  EXPECT_NEAR(score(Similarity::abs, false, false), 1.0F - 2.9F / 3.0F, 1e-6);
  EXPECT_NEAR(score(Similarity::abs, false, true), 1.0F - 1.45F / 3.0F, 1e-6);
  EXPECT_NEAR(score(Similarity::abs, true, false), 1.0F - 1.15F / 3.0F, 1e-6);
  EXPECT_NEAR(score(Similarity::abs, true, true), 1.0F - 0.7F / 3.0F, 1e-6);
}

TEST(Similarity, IsTheMeanOverTheBatchOfEachTextsOwn) {
  at::Tensor pattern = at::zeros({2, 1, 2, 2});
  for (std::int64_t text = 0; text < 2; ++text) {
    pattern[text][0][0][0] = 1.0;
    pattern[text][0][1][text] = 1.0; // the first text's head looks back, the second's does not
  }
  const at::Tensor one = detection_pattern("previous", at::arange(2));
  EXPECT_FLOAT_EQ(likeness(pattern, at::stack({one, one}), {}, 2)[1], 0.25F);
  EXPECT_FLOAT_EQ(likeness(pattern, at::stack({one, at::zeros({2, 2})}), {}, 2)[1], 0.25F);
  EXPECT_FLOAT_EQ(likeness(pattern, at::stack({at::zeros({2, 2}), one}), {}, 2)[1], 0.0F);
}

TEST(Similarity, IsAMeasureOfThePatternDetectors) {
  const Engine engine(test::tiny_model("llama"));
  for (const char* id : {"induction", "previous", "duplicate"}) {
    const auto detector = make_pattern_detector(id);
    OptionSet options(detector->options());
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"batch", "2"}, {"n", "9"}, {"measure", "mul"}, {"exclude_bos", "on"}})
      ASSERT_TRUE(options.set(name, value).ok());
    const auto result = detector->run({engine, options, {}, {}});
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    double expected = 0.0; // of head 1.2
    for (const store::Prompt& prompt : result->prompts) {
      RunRequest request;
      request.batch = TokenBatch::single(prompt.token_ids);
      request.capture = {{HookPoint::pattern, 1}};
      const auto run = engine.run(request);
      ASSERT_TRUE(run.ok());
      const at::Tensor a = run->cache.get({HookPoint::pattern, 1})->to(at::kDouble)[0][2].slice(1, 1);
      const at::Tensor p = detection_pattern(id, at::tensor(prompt.token_ids, at::kLong)).slice(1, 1);
      expected += ((a * p).sum() / a.sum()).item<double>() / 2;
    }
    EXPECT_NEAR(result->scores[result->index(1, 2)], expected, 1e-6) << id;
  }
}

} // namespace
} // namespace headscope
