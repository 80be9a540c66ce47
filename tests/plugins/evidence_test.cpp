// SPDX-License-Identifier: GPL-3.0-or-later
// Query-focused heads, attention by text units and the mod-10 probe on the packaged models against
// tests/golden/generate_evidence.py.
#include "tests/plugins/packaged_model.h"

namespace headscope {
namespace {

class Evidence : public test::PackagedModelTest {
protected:
  static std::vector<std::int64_t> whole(const DetectorResult& result, std::size_t table, std::size_t column) {
    return std::get<std::vector<std::int64_t>>(result.tables.at(table).table.columns.at(column).values);
  }

  static void expect_qrhead(const std::string& rows, const nlohmann::json& expected) {
    const DetectorResult result = detect("qrhead", {{"rows", rows}});
    const auto& spans = expected.at("spans");
    const auto begin = whole(result, 0, 2), end = whole(result, 0, 3), gold = whole(result, 0, 4),
               from = whole(result, 0, 5);
    ASSERT_EQ(result.prompts.size(), spans.size());
    std::size_t row = 0;
    for (std::size_t i = 0; i < spans.size(); ++i)
      for (std::size_t d = 0; d < spans[i][0].size(); ++d, ++row) {
        EXPECT_EQ(begin.at(row), spans[i][0][d][0].get<std::int64_t>()) << i << " " << d;
        EXPECT_EQ(end.at(row), spans[i][0][d][1].get<std::int64_t>()) << i << " " << d;
        EXPECT_EQ(gold.at(row), d == spans[i][1].get<std::size_t>() ? 1 : 0) << i << " " << d;
        EXPECT_EQ(from.at(row), spans[i][2].get<std::int64_t>()) << i << " " << d;
      }
    for (std::size_t i = 0; expected.contains("prompts") && i < spans.size(); ++i) {
      EXPECT_EQ(result.prompts[i].token_ids, expected["prompts"][i].get<std::vector<std::int64_t>>()) << i;
    }
    expect_scores(result.scores, expected.at("score"), 1e-3, "qrhead " + rows);
  }

  static void expect_text_heads() {
    const auto& expected = golden.at("text");
    for (const char* id : {"local", "global", "boundary"}) {
      const DetectorResult result = detect(id);
      const auto text = whole(result, 0, 0), begin = whole(result, 0, 1), paragraph = whole(result, 0, 3);
      std::size_t row = 0;
      for (std::size_t i = 0; i < expected.at("cuts").size(); ++i)
        for (std::size_t s = 0; s < expected["cuts"][i][0].size(); ++s, ++row) {
          ASSERT_LT(row, text.size()) << id;
          EXPECT_EQ(text[row], static_cast<std::int64_t>(i)) << id << " " << row;
          EXPECT_EQ(begin[row], expected["cuts"][i][0][s].get<std::int64_t>()) << id << " " << row;
          EXPECT_EQ(paragraph[row], expected["cuts"][i][1][s].get<std::int64_t>()) << id << " " << row;
        }
      EXPECT_EQ(row, text.size()) << id;
      expect_scores(result.scores, expected.at(id), 1e-4, id);
      expect_scores(map_named(result, "first_token"), expected.at("first_token"), 1e-4, std::string(id) + " first");
    }
  }

  static void expect_probe() {
    const DetectorResult result = detect("successor");
    const auto& columns = result.tables.at(0).table.columns;
    const auto& tested = std::get<std::vector<std::string>>(columns.at(1).values);
    const auto& accuracy = std::get<std::vector<double>>(columns.at(3).values);
    ASSERT_EQ(tested.size(), golden.at("probe").size());
    for (std::size_t i = 0; i < tested.size(); ++i) {
      const auto& expected = golden["probe"].at(tested[i]);
      EXPECT_EQ(whole(result, 0, 2)[i], expected[0].get<std::int64_t>()) << tested[i];
      // One word on the border between two classes may fall on either side.
      EXPECT_NEAR(accuracy[i], expected[1].get<double>(), 1.001 / expected[0].get<double>()) << tested[i];
    }
    const auto* shift = store::find_attribute(result.findings, "shift");
    ASSERT_NE(shift, nullptr);
    EXPECT_TRUE(std::holds_alternative<std::string>(*shift)); // numbers are digits: not testable, and said so
  }
};

class SmolLm2Evidence : public Evidence {
protected:
  static void SetUpTestSuite() { load("evidence_smollm2"); }
};
TEST_F(SmolLm2Evidence, QueryFocusedHeads) { expect_qrhead("prompt", golden.at("qrhead")); }
TEST_F(SmolLm2Evidence, QueryFocusedHeadsOfTheQueryAlone) { expect_qrhead("query", golden.at("qrhead_query")); }
TEST_F(SmolLm2Evidence, AttentionBySentence) { expect_text_heads(); }
TEST_F(SmolLm2Evidence, Mod10Probe) { expect_probe(); }

class Gemma3Evidence : public Evidence {
protected:
  static void SetUpTestSuite() { load("evidence_gemma3-270m"); }
};
TEST_F(Gemma3Evidence, QueryFocusedHeads) { expect_qrhead("prompt", golden.at("qrhead")); }
TEST_F(Gemma3Evidence, AttentionBySentence) { expect_text_heads(); }
TEST_F(Gemma3Evidence, Mod10Probe) { expect_probe(); }

} // namespace
} // namespace headscope
