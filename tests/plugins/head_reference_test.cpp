// SPDX-License-Identifier: GPL-3.0-or-later
// The detectors' arithmetic on SmolLM2 against tests/golden/generate_heads.py, text by text.
#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "plugins/detectors/detection_pattern.h"
#include "plugins/detectors/retrieval_run.h"
#include "plugins/detectors/sink_statistics.h"
#include "tests/plugins/packaged_model.h"

namespace headscope {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int64_t>;

class HeadReference : public test::PackagedModelTest {
protected:
  static void SetUpTestSuite() { load("smollm2"); }

  static json read(const std::string& name) {
    std::ifstream in(HEADSCOPE_GOLDEN_DIR "/detectors/" + name + "_smollm2.json");
    return json::parse(in);
  }

  static void observe(const Ids& ids, const std::function<void(const PatternTile&)>& tile) {
    AttentionObserver observer;
    observer.tile = tile;
    RunRequest request;
    request.batch = TokenBatch::single(ids);
    request.until = LogitRows::none;
    request.observer = &observer;
    const auto run = engine->run(request);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
  }

  static void count(const Ids& ids, const std::function<void(const AttentionStatistics&)>& layer) {
    AttentionStatisticsRequest statistics;
    statistics.key_sum = true;
    statistics.done = layer;
    RunRequest request;
    request.batch = TokenBatch::single(ids);
    request.until = LogitRows::none;
    request.statistics = &statistics;
    const auto run = engine->run(request);
    ASSERT_TRUE(run.ok()) << run.error().to_string();
  }
};

TEST_F(HeadReference, Stripes) {
  const json reference = read("stripes");
  for (const char* id : {"induction", "previous", "duplicate"}) {
    const DetectorResult result = detect(id);
    for (std::size_t i = 0; i < 10; ++i)
      for (std::size_t j = 0; j < 50; ++j)
        ASSERT_EQ(result.prompts[i].token_ids[j], reference.at("tokens")[i][j].get<std::int64_t>());
    expect_scores(result.scores, reference.at(id), 1e-4, id);
  }
}

TEST_F(HeadReference, DetectionPatterns) {
  const json reference = read("detection_patterns");
  const Ids ids = reference.at("tokens").get<Ids>();
  for (const char* kind : {"previous", "duplicate", "induction"})
    for (const bool abs : {false, true})
      for (const bool bos : {false, true})
        for (const bool current : {false, true}) {
          const at::Tensor expected = detection_pattern(kind, at::tensor(ids, at::kLong)).unsqueeze(0);
          SimilaritySum sum(engine->config(), expected, {abs ? Similarity::abs : Similarity::mul, bos, current});
          observe(ids, [&](const PatternTile& tile) { sum.add(tile); });
          const std::string key =
              (kind == std::string("induction") ? "induction_head" : kind + std::string("_token_head")) +
              (abs ? ".abs" : ".mul") + (bos ? ".exclude_bos" : "") + (current ? ".exclude_current_token" : "");
          // TransformerLens rounds T mean|A - P| to three digits.
          expect_scores(sum.means(), reference.at(key), abs ? 5.1e-4 : 1e-4, key);
        }
}

TEST_F(HeadReference, Sinks) {
  const json reference = read("sink");
  SinkStatistics statistics(engine->config(), 64);
  const auto& alphas = reference.at("alpha_0_to_7");
  for (std::size_t text = 0; text < 3; ++text) {
    const auto ids = engine->model().tokenizer->encode(reference.at("texts")[text].get<std::string>());
    ASSERT_TRUE(ids.ok());
    const Ids tokens(ids->begin(), ids->begin() + 64);
    ASSERT_EQ(tokens, reference.at("tokens")[text].get<Ids>());
    SinkStatistics alone(engine->config(), 64);
    for (SinkStatistics* each : {&statistics, &alone}) {
      count(tokens, [&](const AttentionStatistics& layer) { each->add(layer); });
      each->finish_text();
    }
    for (std::size_t k = 0; k < 8; ++k) {
      json column = json::array();
      for (const json& layer : alphas[text]) {
        json heads = json::array();
        for (const json& head : layer)
          heads.push_back(head[k]);
        column.push_back(heads);
      }
      expect_scores(alone.mean_at(static_cast<std::int64_t>(k)), column, 1e-4, "alpha_" + std::to_string(k));
    }
    for (const auto& [key, theta] : std::vector<std::pair<std::string, double>>{{"later_sinks_theta_0.1", 0.1},
                                                                                {"later_sinks_theta_5/T", 5.0 / 64}}) {
      json any = json::array();
      for (const json& layer : reference.at(key)[text]) {
        json heads = json::array();
        for (const json& count : layer)
          heads.push_back(count.get<std::int64_t>() > 0 ? 1.0 : 0.0);
        any.push_back(heads);
      }
      expect_scores(alone.later_rate(theta, 64), any, 1e-6, key);
    }
  }
  ASSERT_GT(reference.at("options").at("smallest |alpha - epsilon|").get<double>(), 1e-4);
  expect_scores(statistics.rate_at(0, 0.3), reference.at("sink_rate_by_head_k0"), 1e-6, "rate of the first token");
  for (std::size_t k = 0; k < 64; ++k)
    EXPECT_NEAR(statistics.share_at(static_cast<std::int64_t>(k), 0.3), reference.at("sink_rate_by_k")[k].get<double>(),
                1e-6)
        << k;
}

TEST_F(HeadReference, Successors) {
  const json reference = read("successor");
  for (const auto& [name, set] :
       std::vector<std::pair<std::string, test::Settings>>{{"default", {}},
                                                           {"ln2", {{"ln2", "on"}}},
                                                           {"residual", {{"residual", "on"}}},
                                                           {"ln2_residual", {{"ln2", "on"}, {"residual", "on"}}}}) {
    const DetectorResult result = detect("successor", set);
    expect_scores(result.scores, reference.at("score_" + name), 1e-6, name);
    for (const auto& [list, entry] : reference.at("lists").items()) {
      const std::string ours = list == "ordinal_words" ? "ordinals" : list;
      const std::size_t pairs = entry.at("pairs").size();
      EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result.findings, "pairs_" + ours)),
                static_cast<std::int64_t>(pairs));
      if (pairs == 0) continue;
      json shares = json::array();
      for (const json& layer : entry.at("successes_" + name)) {
        json heads = json::array();
        for (const json& count : layer)
          heads.push_back(count.get<double>() / static_cast<double>(pairs));
        shares.push_back(heads);
      }
      expect_scores(map_named(result, "list_" + ours), shares, 1e-6, name + " " + list);
    }
  }
}

TEST_F(HeadReference, Retrieval) {
  const json reference = read("retrieval");
  for (const json& expected : reference.at("cases")) {
    RetrievalPrompt prompt;
    prompt.ids = expected.at("prompt_tokens").get<Ids>();
    prompt.needle_ids = expected.at("needle_tokens").get<Ids>();
    const auto span = find_needle(prompt.ids, prompt.needle_ids);
    ASSERT_TRUE(span);
    EXPECT_EQ(span->begin, expected.at("needle_span")[0].get<std::int64_t>());
    EXPECT_EQ(span->end, expected.at("needle_span")[1].get<std::int64_t>());
    prompt.span = *span;
    const auto run = run_retrieval(*engine, prompt, expected.at("answer"), 50, {});
    ASSERT_TRUE(run.ok()) << run.error().to_string();
    EXPECT_EQ(run->tokens, expected.at("generated_tokens").get<Ids>());
    EXPECT_NEAR(run->rouge, expected.at("rouge1_recall").get<double>(), 1e-6);
    ASSERT_GT(expected.at("smallest_gap_of_an_argmax_in_the_needle").get<double>(), 1e-5);
    expect_scores({run->code.begin(), run->code.end()}, expected.at("code"), 1e-5, "code");
    expect_scores({run->set.begin(), run->set.end()}, expected.at("set"), 1e-5, "set");
  }
}

} // namespace
} // namespace headscope
