// SPDX-License-Identifier: GPL-3.0-or-later
// Detectors on SmolLM2-135M-Instruct against transformers.
#include <gmock/gmock.h>

#include "tests/plugins/packaged_model.h"

namespace headscope {
namespace {

class SmolLm2 : public test::PackagedModelTest {
protected:
  static void SetUpTestSuite() { load("smollm2"); }
};

struct Measured {
  const char* id;
  int layer, head;
  double score;
};

// Measured once with transformers 5.23, before there was a detector.
TEST_F(SmolLm2, StripesAreThoseMeasuredBefore) {
  constexpr Measured list[] = {
      {"induction", 18, 6, .9208}, {"induction", 17, 3, .8370}, {"induction", 17, 4, .7890},
      {"induction", 17, 5, .6854}, {"induction", 18, 7, .6336}, {"previous", 16, 0, .9086},
      {"previous", 11, 1, .8321},  {"previous", 2, 1, .7290},   {"duplicate", 8, 0, .7814},
      {"duplicate", 14, 3, .7716},
  };
  for (const char* id : {"induction", "previous", "duplicate"}) {
    const DetectorResult result = detect(id);
    std::size_t rank = 0; // they were listed strongest first
    for (const Measured& measured : list)
      if (measured.id == std::string(id)) {
        EXPECT_NEAR(result.scores[result.index(measured.layer, measured.head)], measured.score, 1e-4) << id;
        ASSERT_GT(result.heads.size(), rank) << id;
        EXPECT_EQ(result.heads[rank], (HeadId{measured.layer, measured.head})) << id << " " << rank;
        ++rank;
      }
  }
}

TEST_F(SmolLm2, Stripes) { expect_stripes(); }
TEST_F(SmolLm2, Sinks) { expect_sinks(); }
TEST_F(SmolLm2, Successors) { expect_successors("successor", {}); }
TEST_F(SmolLm2, SuccessorsWithNormsAndResidual) {
  expect_successors("successor_ln2_residual", {{"ln2", "on"}, {"residual", "on"}});
}

class SmolLm2Retrieval : public SmolLm2 {
protected:
  static DetectorResult run(const char* score) {
    return detect("retrieval", {{"length_min", "300"}, {"length_max", "400"}, {"lengths", "2"}, {"score", score}});
  }
};

TEST_F(SmolLm2Retrieval, RunsAndScores) {
  const auto& expected = golden.at("retrieval");
  const DetectorResult result = run("set");
  const auto& runs = result.tables.at(0).table;
  const auto whole = [&](std::size_t column) {
    return std::get<std::vector<std::int64_t>>(runs.columns.at(column).values);
  };
  ASSERT_EQ(result.prompts.size(), expected.at("runs").size());
  for (std::size_t i = 0; i < result.prompts.size(); ++i) {
    const auto& reference = expected["runs"][i];
    EXPECT_EQ(result.prompts[i].token_ids, reference.at("ids").get<std::vector<std::int64_t>>()) << i;
    EXPECT_EQ(whole(5)[i], reference.at("span").at(0).get<std::int64_t>()) << i;
    EXPECT_EQ(whole(6)[i], reference.at("span").at(1).get<std::int64_t>()) << i;
    EXPECT_EQ(whole(7)[i], reference.at("kept").get<bool>() ? 1 : 0) << i;
    EXPECT_NEAR(std::get<std::vector<double>>(runs.columns.at(8).values)[i], reference.at("rouge").get<double>(), 1e-9);
    EXPECT_EQ(std::get<std::vector<std::string>>(runs.columns.at(9).values)[i],
              engine->model().tokenizer->decode(reference.at("answer").get<std::vector<std::int64_t>>(), true));
  }
  ASSERT_TRUE(expected.contains("set")) << "the reference kept no run";
  expect_scores(result.scores, expected.at("set"), 1e-3, "set");
  expect_scores(map_named(result, "code_score"), expected.at("code"), 1e-3, "code");
  expect_scores(map_named(result, "active_share"), expected.at("active_share"), 1e-3, "active share");
}

TEST_F(SmolLm2Retrieval, CodeScoreIsTheScoreWhenAskedFor) {
  const DetectorResult result = run("code");
  ASSERT_TRUE(golden.at("retrieval").contains("code"));
  expect_scores(result.scores, golden["retrieval"]["code"], 1e-3, "code");
  expect_scores(map_named(result, "set_score"), golden["retrieval"]["set"], 1e-3, "set");
}

} // namespace
} // namespace headscope
