// SPDX-License-Identifier: GPL-3.0-or-later
// Options of detectors, and what every built-in detector promises.
#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/detectors/builtin.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

using testing::HasSubstr;

OptionSet sample() {
  return OptionSet({
      {"chat", false, "a switch"},
      {"count", std::int64_t{3}, "a whole number", {}, 1},
      {"share", 0.5, "a number", {}, 0.0},
      {"score", std::string("set"), "a choice", {"set", "code"}},
      {"name", std::string("x"), "any text"},
  });
}

TEST(Options, StandardValuesHoldUntilOthersAreSet) {
  OptionSet options = sample();
  EXPECT_FALSE(options.flag("chat"));
  EXPECT_EQ(options.integer("count"), 3);
  EXPECT_EQ(options.number("share"), 0.5);
  EXPECT_EQ(options.text("score"), "set");
  for (const auto& [name, text] : std::vector<std::pair<std::string, std::string>>{
           {"chat", "on"}, {"count", "12"}, {"share", "1e-3"}, {"score", "code"}, {"name", ""}})
    EXPECT_TRUE(options.set(name, text).ok()) << name;
  EXPECT_TRUE(options.flag("chat"));
  EXPECT_EQ(options.integer("count"), 12);
  EXPECT_EQ(options.number("share"), 1e-3);
  EXPECT_EQ(options.text("score"), "code");
  EXPECT_EQ(options.text("name"), "");
  EXPECT_TRUE(options.set("chat", "off").ok());
  EXPECT_FALSE(options.flag("chat"));
}

struct Refused {
  std::string name, text, says;
};
class RefusedOption : public testing::TestWithParam<Refused> {};

TEST_P(RefusedOption, SaysWhatIsAllowedAndKeepsTheValue) {
  OptionSet options = sample();
  const Status status = options.set(GetParam().name, GetParam().text);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(status.error().field, GetParam().name);
  EXPECT_THAT(status.error().message, HasSubstr(GetParam().says));
  EXPECT_EQ(options.integer("count"), 3);
  EXPECT_EQ(options.text("score"), "set");
}

INSTANTIATE_TEST_SUITE_P(Options, RefusedOption,
                         testing::Values(Refused{"chat", "maybe", "on or off"}, Refused{"count", "2.5", "whole number"},
                                         Refused{"count", "", "whole number"}, Refused{"count", "0", "at least 1"},
                                         Refused{"count", "99999999999999999999", "whole number"},
                                         Refused{"count", "3x", "whole number"}, Refused{"share", "nan", "a number"},
                                         Refused{"share", "inf", "a number"}, Refused{"share", "-0.1", "at least 0"},
                                         Refused{"score", "sum", "one of set, code"}));

TEST(Options, AnUnknownNameIsToldTheKnownOnes) {
  OptionSet options = sample();
  const Status status = options.set("scores", "set");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::not_found);
  EXPECT_THAT(status.error().message, HasSubstr("chat, count, share, score, name"));
}

TEST(Options, AllOfThemGoIntoTheResultFile) {
  OptionSet options = sample();
  ASSERT_TRUE(options.set("count", "7").ok());
  const store::Attributes attributes = options.attributes();
  ASSERT_EQ(attributes.size(), 5U);
  EXPECT_EQ(attributes[0].name, "chat");
  EXPECT_EQ(std::get<bool>(attributes[0].value), false);
  EXPECT_EQ(std::get<std::int64_t>(attributes[1].value), 7);
  EXPECT_EQ(std::get<double>(attributes[2].value), 0.5);
  EXPECT_EQ(std::get<std::string>(attributes[3].value), "set");
}

TEST(Builtin, DetectorsDescribeThemselves) {
  std::vector<std::string> ids;
  for (const auto& detector : builtin_detectors()) {
    ASSERT_TRUE(detector);
    ids.push_back(detector->id());
    EXPECT_FALSE(detector->title().empty()) << ids.back();
    EXPECT_FALSE(detector->description().empty()) << ids.back();
    EXPECT_FALSE(detector->reference().empty()) << ids.back();
    std::set<std::string> names;
    for (const OptionSpec& spec : detector->options()) {
      EXPECT_TRUE(names.insert(spec.name).second) << ids.back() << " has " << spec.name << " twice";
      EXPECT_FALSE(spec.help.empty()) << ids.back() << "." << spec.name;
    }
    EXPECT_TRUE(names.count("threshold")) << ids.back();
  }
  EXPECT_THAT(ids, testing::ElementsAre("induction", "previous", "duplicate", "sink", "successor", "retrieval",
                                        "qrhead", "local", "global", "boundary", "name_mover", "negative_name_mover",
                                        "backup_name_mover", "s_inhibition", "correct_letter", "vision",
                                        "copy_suppression", "head_importance", "in_context_regression", "graph"));
}

TEST(Builtin, StandardValuesAreAmongTheAllowedOnes) {
  for (const auto& detector : builtin_detectors())
    for (const OptionSpec& spec : detector->options()) {
      OptionSet options(detector->options());
      std::string text;
      if (const auto* held = std::get_if<std::string>(&spec.standard)) text = *held;
      if (const auto* held = std::get_if<std::int64_t>(&spec.standard)) text = std::to_string(*held);
      if (const auto* held = std::get_if<double>(&spec.standard)) text = std::to_string(*held);
      if (const auto* held = std::get_if<bool>(&spec.standard)) text = *held ? "on" : "off";
      EXPECT_TRUE(options.set(spec.name, text).ok()) << detector->id() << "." << spec.name;
    }
}

TEST(Builtin, ModelsWithoutWhatADetectorNeedsAreRefusedWithTheReason) {
  const Engine no_tokenizer(test::tiny_model("llama")), no_mlp(test::tiny_model("attention_only"));
  for (const char* id : {"sink", "successor", "retrieval"})
    for (const auto& detector : builtin_detectors())
      if (detector->id() == id) {
        const Status status = detector->check(no_tokenizer);
        ASSERT_FALSE(status.ok()) << id;
        EXPECT_EQ(status.error().code, ErrorCode::unsupported);
        EXPECT_THAT(status.error().message, HasSubstr("no tokenizer"));
      }
  const Status status = make_successor_detector()->check(no_mlp);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("no MLP"));
  EXPECT_TRUE(make_pattern_detector("induction")->check(no_mlp).ok());
}

TEST(Heads, AreNamedAtTheThresholdStrongestFirstAndThenInOrder) {
  const Engine engine(test::tiny_model("llama"));
  DetectorResult result = empty_result(engine);
  ASSERT_EQ(result.scores.size(), 12U);
  for (const float score : result.scores)
    EXPECT_TRUE(std::isnan(score));
  result.threshold = 0.5;
  name_heads(result);
  EXPECT_TRUE(result.heads.empty());
  result.scores[result.index(2, 3)] = 0.9F;
  result.scores[result.index(1, 0)] = 0.5F;
  result.scores[result.index(0, 2)] = 0.5F;
  result.scores[result.index(0, 0)] = 0.49F;
  name_heads(result);
  const std::vector<HeadId> expected = {{2, 3}, {0, 2}, {1, 0}};
  EXPECT_EQ(result.heads, expected);
}

} // namespace
} // namespace headscope
