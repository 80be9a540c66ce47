// SPDX-License-Identifier: GPL-3.0-or-later
// alpha_k and sink rates on planted patterns; the detector on a small model.
#include <cmath>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/detectors/builtin.h"
#include "plugins/detectors/sink_statistics.h"
#include "tests/engine/tiny_model.h"
#include "tests/new_folder.h"
#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

constexpr std::int64_t T = 8;

ModelConfig one_layer() {
  ModelConfig config;
  config.n_layers = 1;
  config.n_heads = 2;
  return config;
}

// Every query gives key k the weight w[k]; the rest goes to itself. Head 1 attends only to itself.
at::Tensor columns(const std::vector<double>& w) {
  at::Tensor pattern = at::zeros({1, 2, T, T});
  for (std::int64_t q = 0; q < T; ++q) {
    double rest = 1.0;
    for (std::int64_t k = 0; k < q; ++k) {
      pattern[0][0][q][k] = w[static_cast<std::size_t>(k)];
      rest -= w[static_cast<std::size_t>(k)];
    }
    pattern[0][0][q][q] = rest;
    pattern[0][1][q][q] = 1.0;
  }
  return pattern;
}

void add(SinkStatistics& statistics, const at::Tensor& pattern) {
  AttentionStatistics layer;
  layer.key_sum = pattern.to(at::kDouble).sum(2);
  statistics.add(layer);
  statistics.finish_text();
}

TEST(SinkStatistics, AlphaIsTheMeanOverTheQueriesThatCanSeeTheKey) {
  SinkStatistics statistics(one_layer(), T);
  add(statistics, columns({0.5, 0, 0.25, 0, 0, 0, 0, 0}));
  EXPECT_EQ(statistics.texts(), 1);
  EXPECT_NEAR(statistics.mean_at(0)[0], (1.0 + 7 * 0.5) / 8, 1e-6);  // query 0 sees only itself
  EXPECT_NEAR(statistics.mean_at(2)[0], (0.5 + 5 * 0.25) / 6, 1e-6); // query 2 keeps 0.5 for itself
  EXPECT_NEAR(statistics.mean_at(7)[0], 0.25, 1e-6);
  for (std::int64_t k = 0; k < T; ++k)
    EXPECT_NEAR(statistics.mean_at(k)[1], 1.0 / static_cast<double>(T - k), 1e-6) << k;
}

TEST(SinkStatistics, RatesAreThresholdedTextByTextAndThenAveraged) {
  SinkStatistics statistics(one_layer(), T);
  add(statistics, columns({0.9, 0, 0, 0, 0, 0, 0, 0})); // alpha_0 = 0.9125
  add(statistics, columns({0.0, 0, 0, 0, 0, 0, 0, 0})); // 0.125
  add(statistics, columns({0.0, 0, 0, 0, 0, 0, 0, 0}));
  add(statistics, columns({0.3, 0, 0, 0, 0, 0, 0, 0})); // 0.3875
  EXPECT_FLOAT_EQ(statistics.rate_at(0, 0.3)[0], 0.5F); // the mean alone, 0.3875, would be a sink in "all" texts
  EXPECT_FLOAT_EQ(statistics.rate_at(0, 0.5)[0], 0.25F);
  EXPECT_FLOAT_EQ(statistics.rate_at(0, 0.3)[1], 0.0F);
  EXPECT_NEAR(statistics.share_at(0, 0.3), 0.25, 1e-9);
}

TEST(SinkStatistics, LaterSinksLeaveOutTheFirstKeyAndThoseNearTheEnd) {
  SinkStatistics statistics(one_layer(), T);
  add(statistics, columns({0.4, 0, 0.35, 0, 0, 0, 0, 0}));
  EXPECT_FLOAT_EQ(statistics.later_rate(0.3, 4)[0], 1.0F);
  EXPECT_FLOAT_EQ(statistics.later_rate(0.3, 2)[0], 0.0F) << "key 2 is not below 2";
  EXPECT_FLOAT_EQ(statistics.later_rate(0.9, T)[0], 0.0F);
  EXPECT_FLOAT_EQ(statistics.later_rate(0.9, T)[1], 1.0F) << "alpha of the last key is 1 for a head that sees itself";
  EXPECT_NEAR(statistics.later_max(4)[0], (0.6 + 5 * 0.35) / 6, 1e-6);
  const store::Table table = statistics.later_table(0.3, 4);
  const auto& keys = std::get<std::vector<std::int64_t>>(table.columns[3].values);
  const auto& heads = std::get<std::vector<std::int64_t>>(table.columns[2].values);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0], 2);
  EXPECT_EQ(heads[0], 0);
  EXPECT_TRUE(std::get<std::vector<std::int64_t>>(statistics.later_table(0.3, 1).columns[3].values).empty());
}

class SinkDetectorTest : public testing::Test {
protected:
  void SetUp() override {
    folder_ = test::new_folder();
    std::ofstream out(text());
    for (int i = 0; i < 60; ++i)
      out << (i == 0 ? "" : " ") << "word" << (i * i * 7 + i) % 31 << (i % 5 == 4 ? "." : "");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string text() const { return (folder_ / "text.txt").string(); }

  static std::shared_ptr<Model> model() {
    auto model = test::tiny_model("llama");
    model->tokenizer = std::make_shared<test::WordTokenizer>();
    return model;
  }
  static OptionSet options(const std::vector<std::pair<std::string, std::string>>& set) {
    OptionSet options(make_sink_detector()->options());
    for (const auto& [name, value] : set)
      EXPECT_TRUE(options.set(name, value).ok()) << name;
    return options;
  }

  std::filesystem::path folder_;
};

TEST_F(SinkDetectorTest, IsTheStatisticsOfTheModelsPatterns) {
  const Engine engine(model());
  const auto result = make_sink_detector()->run(
      {engine, options({{"tokens", "16"}, {"texts", "3"}, {"epsilon", "0.2"}, {"skip_last", "4"}}), text(), {}});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  ASSERT_EQ(result->prompts.size(), 3U);
  std::vector<at::Tensor> alphas;
  for (const store::Prompt& prompt : result->prompts) {
    ASSERT_EQ(prompt.token_ids.size(), 16U);
    EXPECT_EQ(prompt.token_pieces.front(), "<s>");
    RunRequest request;
    request.batch = TokenBatch::single(prompt.token_ids);
    for (int layer = 0; layer < 3; ++layer)
      request.capture.push_back({HookPoint::pattern, layer});
    const auto run = engine.run(request);
    ASSERT_TRUE(run.ok());
    std::vector<at::Tensor> layers;
    for (int layer = 0; layer < 3; ++layer)
      layers.push_back(run->cache.get({HookPoint::pattern, layer})->to(at::kDouble)[0].sum(1) /
                       at::arange(16, 0, -1, at::kDouble));
    alphas.push_back(at::stack(layers));
  }
  const at::Tensor alpha = at::stack(alphas); // [text, layer, head, key]
  const at::Tensor rate = (alpha.select(3, 0) > 0.2).to(at::kDouble).mean(0);
  const at::Tensor later = (alpha.slice(3, 1, 12).amax(3) > 0.1).to(at::kDouble).mean(0);
  for (int layer = 0; layer < 3; ++layer)
    for (int head = 0; head < 4; ++head) {
      const std::size_t i = result->index(layer, head);
      EXPECT_NEAR(result->scores[i], rate[layer][head].item<double>(), 1e-6);
      EXPECT_NEAR(result->maps.at(1).values[i], later[layer][head].item<double>(), 1e-6);
    }
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result->findings, "texts")), 3);
}

TEST_F(SinkDetectorTest, ThetaIsANumberOrThePapersFiveOverT) {
  const Engine engine(model());
  const auto paper = make_sink_detector()->run({engine, options({{"tokens", "20"}, {"theta", "5/T"}}), text(), {}});
  ASSERT_TRUE(paper.ok()) << paper.error().to_string();
  EXPECT_DOUBLE_EQ(std::get<double>(*store::find_attribute(paper->findings, "theta")), 0.25);
  for (const char* theta : {"", "x", "0", "-1", "0.1x"}) {
    const auto refused = make_sink_detector()->run({engine, options({{"tokens", "20"}, {"theta", theta}}), text(), {}});
    ASSERT_FALSE(refused.ok()) << theta;
    EXPECT_EQ(refused.error().field, "sink.theta");
  }
}

TEST_F(SinkDetectorTest, SaysWhenTheTextIsShort) {
  const Engine engine(model());
  const auto few = make_sink_detector()->run({engine, options({{"tokens", "16"}, {"texts", "100"}}), text(), {}});
  ASSERT_TRUE(few.ok()) << few.error().to_string();
  EXPECT_THAT(few->message, testing::HasSubstr("only " + std::to_string(few->prompts.size()) + " texts"));
  const auto none = make_sink_detector()->run(
      {engine, options({{"tokens", "64"}, {"bos", "off"}}), (folder_ / "none.txt").string(), {}});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  std::ofstream(folder_ / "short.txt") << "word1 word2";
  const auto brief = make_sink_detector()->run({engine, options({}), (folder_ / "short.txt").string(), {}});
  ASSERT_FALSE(brief.ok());
  EXPECT_THAT(brief.error().to_string(), testing::HasSubstr("short.txt: haystack: has 2 tokens"));
}

TEST_F(SinkDetectorTest, ACancelledRunKeepsItsTexts) {
  const Engine engine(model());
  const OptionSet set = options({{"tokens", "16"}, {"texts", "4"}});
  RunControl control;
  control.progress = [cancel = control.cancel](const Progress& progress) {
    EXPECT_EQ(progress.total, 4);
    if (progress.done == 2) cancel.cancel();
  };
  const auto part = make_sink_detector()->run({engine, set, text(), control});
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  EXPECT_FALSE(part->complete);
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(part->findings, "texts")), 2);
  const auto two = make_sink_detector()->run({engine, options({{"tokens", "16"}, {"texts", "2"}}), text(), {}});
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(part->scores, two->scores);
  EXPECT_EQ(part->prompts.size(), 2U);
}

} // namespace
} // namespace headscope
