// SPDX-License-Identifier: GPL-3.0-or-later
// Compares with rouge_score 0.1.2: tests/golden/generate_rouge.py.
#include "core/scoring/rouge.h"

#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace headscope {
namespace {

const nlohmann::json& golden() {
  static const nlohmann::json json = [] {
    std::ifstream in(HEADSCOPE_GOLDEN_DIR "/rouge/rouge.json");
    return nlohmann::json::parse(in);
  }();
  return json;
}

TEST(Rouge, StemsAreThoseOfNltk) {
  ASSERT_GT(golden().at("stems").size(), 200u);
  for (const auto& [word, stem] : golden().at("stems").items())
    EXPECT_EQ(porter_stem(word), stem.get<std::string>()) << word;
}

TEST(Rouge, TokensAndScoresAreThoseOfRougeScore) {
  ASSERT_GT(golden().at("pairs").size(), 10u);
  for (const auto& pair : golden().at("pairs")) {
    const std::string reference = pair.at("reference"), candidate = pair.at("candidate");
    SCOPED_TRACE(reference + " / " + candidate);
    EXPECT_EQ(rouge_tokens(candidate), pair.at("tokens").get<std::vector<std::string>>());
    for (const bool stem : {true, false}) {
      const RougeScore score = rouge1(reference, candidate, stem);
      const auto expected = pair.at(stem ? "stemmed" : "plain").get<std::vector<double>>();
      EXPECT_DOUBLE_EQ(score.precision, expected[0]);
      EXPECT_DOUBLE_EQ(score.recall, expected[1]);
      EXPECT_DOUBLE_EQ(score.f1, expected[2]);
    }
  }
}

TEST(Rouge, HundredsOfYInARowAreStemmedWithoutTrouble) {
  const std::string word(100000, 'y');
  EXPECT_EQ(porter_stem(word).size(), word.size());
}

} // namespace
} // namespace headscope
