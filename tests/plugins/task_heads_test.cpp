// SPDX-License-Identifier: GPL-3.0-or-later
// Detectors of task heads on the packaged models against transformers (tests/golden/generate_task_heads.py).
#include <gmock/gmock.h>

#include "tests/plugins/packaged_model.h"

namespace headscope {
namespace {

using nlohmann::json;
using Ids = std::vector<std::int64_t>;

class TaskHeads : public test::PackagedModelTest {
protected:
  static constexpr double tolerance = 1e-3;

  static std::vector<double> mean_of(const std::string& table, const std::string& column,
                                     const DetectorResult& result) {
    for (const auto& named : result.tables)
      if (named.name == table)
        for (const store::Column& each : named.table.columns)
          if (each.name == column) return std::get<std::vector<double>>(each.values);
    throw std::runtime_error("no column " + column);
  }
  static std::vector<std::string> labels(const DetectorResult& result) {
    std::vector<std::string> out;
    for (const HeadId& head : result.heads)
      out.push_back(head_name(head));
    return out;
  }
  static void expect_values(const std::vector<double>& values, const json& expected, const std::string& what) {
    ASSERT_EQ(values.size(), expected.size()) << what;
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], expected[i].get<double>(), tolerance) << what << " " << i;
  }

  static DetectorResult detect_ioi(const std::string& id, test::Settings set = {}) {
    set.emplace_back("prompts", "2");
    DetectorResult result = detect(id, set);
    const json& prompts = golden.at("prompts").at("ioi");
    EXPECT_EQ(result.prompts.size(), 2 * prompts.size());
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(result.prompts[2 * i].token_ids, prompts[i].at("clean").get<Ids>());
      EXPECT_EQ(result.prompts[2 * i + 1].token_ids, prompts[i].at("abc").get<Ids>());
    }
    expect_values(mean_of("prompts", "logit_difference", result), golden.at("ioi").at("difference"), id);
    return result;
  }

  static void expect_name_movers() {
    const json& expected = golden.at("ioi");
    const DetectorResult movers = detect_ioi("name_mover");
    // These are percentages: 1e-3 of a share is 0.1 here.
    expect_scores(movers.scores, expected.at("lost"), 0.01, "direct effect");
    expect_scores(map_named(movers, "attention"), expected.at("attention"), tolerance, "attention");
    expect_scores(map_named(movers, "copy_score"), expected.at("copy"), tolerance, "copy score");
    expect_scores(map_named(movers, "negative_copy_score"), expected.at("negative"), tolerance, "negative copy score");
    EXPECT_THAT(labels(movers),
                testing::UnorderedElementsAreArray(expected.at("movers").get<std::vector<std::string>>()));
    const DetectorResult negative = detect_ioi("negative_name_mover");
    for (std::size_t i = 0; i < movers.scores.size(); ++i)
      EXPECT_EQ(negative.scores[i], -movers.scores[i]);
  }

  static void expect_backups_and_s_inhibition() {
    const json& expected = golden.at("ioi");
    const DetectorResult backup = detect_ioi("backup_name_mover"), inhibition = detect_ioi("s_inhibition");
    if (expected.at("movers").empty()) {
      for (const DetectorResult* result : {&backup, &inhibition}) {
        EXPECT_TRUE(result->heads.empty());
        EXPECT_THAT(result->message, testing::HasSubstr("no name movers"));
      }
      return;
    }
    expect_scores(map_named(backup, "after"), expected.at("after"), 0.01, "after the name movers are out");
    for (std::size_t i = 0; i < backup.scores.size(); ++i)
      EXPECT_NEAR(backup.scores[i], map_named(backup, "after")[i] - map_named(backup, "before")[i], 1e-4);
    expect_scores(map_named(inhibition, "attention"), expected.at("s_attention"), tolerance,
                  "attention to the subject");
    const json& effects = expected.at("s_inhibition");
    const std::size_t heads = effects.at(0).size();
    for (std::size_t i = 0; i < inhibition.scores.size(); ++i) {
      const json& effect = effects[i / heads][i % heads];
      if (effect.is_null())
        EXPECT_TRUE(std::isnan(inhibition.scores[i])) << i;
      else
        EXPECT_NEAR(inhibition.scores[i], effect.get<double>(), 0.01) << i / heads << "." << i % heads;
    }
  }

  static void expect_letters() {
    const json &expected = golden.at("letters"), &prompts = golden.at("prompts").at("letters");
    const DetectorResult result = detect("correct_letter", {{"questions", "4"}, {"min_accuracy", "0"}});
    ASSERT_EQ(result.prompts.size(), prompts.size());
    const auto& columns = result.tables.at(0).table.columns;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(result.prompts[i].token_ids, prompts[i].at("ids").get<Ids>());
      EXPECT_EQ(std::get<std::vector<std::string>>(columns.at(2).values)[i],
                std::string("ABCD").substr(expected.at("said")[i].get<std::size_t>(), 1));
      EXPECT_EQ(std::get<Ids>(columns.at(3).values)[i], prompts[i].at("position").get<std::int64_t>());
    }
    expect_scores(result.scores, expected.at("effects"), tolerance, "direct effect");
    expect_scores(map_named(result, "attention"), expected.at("attention"), tolerance, "attention");
    EXPECT_NEAR(std::get<double>(*store::find_attribute(result.findings, "centred_logit")),
                expected.at("total").get<double>(), tolerance);
  }

  static void expect_vision(const std::string& name) {
    const json& expected = golden.at("vision");
    const DetectorResult result =
        detect("vision", {{"images", std::string(HEADSCOPE_GOLDEN_DIR) + "/detectors/vision_" + name + ".npy"},
                          {"new_tokens", "3"}});
    expect_scores(result.scores, expected.at("vhd"), tolerance * expected_scale(expected.at("vhd")), "divergence");
    std::vector<double> t_vhd = mean_of("generated", "t_vhd", result);
    std::size_t row = 0;
    for (std::size_t image = 0; image < 2; ++image)
      for (std::size_t step = 0; step < 3; ++step, ++row) {
        EXPECT_EQ(std::get<Ids>(result.tables.at(0).table.columns.at(5).values)[row],
                  expected.at("generated")[image][step].get<std::int64_t>());
        EXPECT_NEAR(t_vhd[row], expected.at("t_vhd")[image][step].get<double>(),
                    tolerance * expected_scale(expected.at("vhd")));
      }
  }
  // Divergences are not shares: allows 1e-3 of the largest, where that is above 1.
  static double expected_scale(const json& values) {
    double largest = 1.0;
    for (const json& layer : values)
      for (const json& value : layer)
        largest = std::max(largest, value.get<double>());
    return largest;
  }

  static void expect_importance() {
    const DetectorResult result = detect("head_importance", {{"texts", "2"}, {"tokens", "16"}});
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_EQ(result.prompts.at(i).token_ids, golden.at("prompts").at("texts")[i].get<Ids>());
    expect_scores(result.scores, golden.at("importance"), tolerance, "divergence");
  }

  static void expect_suppression() {
    const json& expected = golden.at("suppression");
    const std::string first = expected.at("layers")[0].dump(), last = expected.at("layers")[1].dump();
    const DetectorResult result =
        detect("copy_suppression",
               {{"tokens", "32"}, {"first_layer", first}, {"last_layer", last}, {"threshold", "0"}, {"min_qk", "0"}});
    const auto& drawn = std::get<Ids>(result.tables.at(0).table.columns.at(2).values);
    EXPECT_EQ(Ids(drawn.begin(), drawn.begin() + 32), golden.at("prompts").at("suppressed").get<Ids>());
    const std::vector<float>& qk = map_named(result, "qk_share");
    for (std::size_t i = 0; i < expected.at("ov").size(); ++i)
      for (std::size_t head = 0; head < expected.at("ov")[i].size(); ++head) {
        const std::size_t cell = result.index(std::stoi(first) + static_cast<int>(i), static_cast<std::int64_t>(head));
        EXPECT_NEAR(result.scores[cell], expected.at("ov")[i][head].get<double>(), tolerance) << cell;
        EXPECT_NEAR(qk[cell], expected.at("qk")[i][head].get<double>(), tolerance) << cell;
      }
    EXPECT_TRUE(std::isnan(result.scores.front()));
  }
};

class SmolLm2Tasks : public TaskHeads {
protected:
  static void SetUpTestSuite() { load("tasks_smollm2"); }
};
TEST_F(SmolLm2Tasks, NameMovers) { expect_name_movers(); }
TEST_F(SmolLm2Tasks, BackupsAndSInhibition) { expect_backups_and_s_inhibition(); }
TEST_F(SmolLm2Tasks, CorrectLetters) { expect_letters(); }
TEST_F(SmolLm2Tasks, Vision) { expect_vision("smollm2"); }
TEST_F(SmolLm2Tasks, Importance) { expect_importance(); }
TEST_F(SmolLm2Tasks, CopySuppression) { expect_suppression(); }
TEST_F(SmolLm2Tasks, WithoutTheAbilityThereAreNoScores) {
  const DetectorResult result = detect("correct_letter", {{"questions", "8"}});
  EXPECT_TRUE(result.heads.empty());
  EXPECT_TRUE(std::isnan(result.scores.front()));
  EXPECT_THAT(result.message, testing::HasSubstr("there are no scores"));
}
TEST_F(SmolLm2Tasks, RandomImagesNameNoHeads) {
  const DetectorResult result = detect("vision", {{"random", "1"}, {"image_tokens", "2"}, {"new_tokens", "1"}});
  EXPECT_TRUE(result.heads.empty());
  EXPECT_THAT(result.message, testing::HasSubstr("vision.images"));
  EXPECT_GT(result.scores.front(), 0.0F);
}

class Gemma3Tasks : public TaskHeads {
protected:
  static void SetUpTestSuite() { load("tasks_gemma3-270m"); }
};
TEST_F(Gemma3Tasks, NameMovers) { expect_name_movers(); }
TEST_F(Gemma3Tasks, BackupsAndSInhibition) { expect_backups_and_s_inhibition(); }
TEST_F(Gemma3Tasks, CorrectLetters) { expect_letters(); }
TEST_F(Gemma3Tasks, Vision) { expect_vision("gemma3-270m"); }
TEST_F(Gemma3Tasks, Importance) { expect_importance(); }
TEST_F(Gemma3Tasks, CopySuppression) { expect_suppression(); }

} // namespace
} // namespace headscope
