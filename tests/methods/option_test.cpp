// SPDX-License-Identifier: GPL-3.0-or-later
// Options: bounds, what a result records of them, choices.
#include "app/methods/base/option.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/vocabulary/ablation.h"

namespace headscope::methods {
namespace {

// Checks that a value of this type is refused below 1 and accepted from there on.
template <typename T> void expect_bound(T below, T from_there) {
  T value = from_there;
  OptionList list;
  list.add("some_value", value, "A value").at_least(1);
  EXPECT_TRUE(list.check().ok());
  value = below;
  const Status refused = list.check();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().field, "--some-value");
  EXPECT_EQ(refused.error().message, "must be at least 1");
}

TEST(Options, BoundsHoldForEveryKindOfNumber) {
  expect_bound<int>(0, 1);
  expect_bound<std::int64_t>(0, 1);
  expect_bound<std::uint64_t>(0, 1);
  expect_bound<double>(0.5, 1.0);
  expect_bound<double>(std::nan(""), 1.0);
  expect_bound<std::optional<std::int64_t>>(0, std::nullopt);
  expect_bound<std::vector<std::int64_t>>({2, 0}, {1, 2});
  expect_bound<std::vector<double>>({2.0, 0.5}, {});
}

TEST(Options, OfAFlagATextAndAChoiceNoBoundIsAsked) {
  bool flag = true;
  std::string text = "x";
  AblationMethod method = AblationMethod::zero;
  OptionList list;
  list.add("flag", flag, "A flag");
  list.add("text", text, "A text");
  list.add_choice("method", method, "A choice");
  EXPECT_TRUE(list.check().ok());
}

TEST(Options, ChoicesAreTheNamesOfTheEnumeration) {
  AblationMethod method = AblationMethod::zero;
  OptionList list;
  const Option& option = list.add_choice("method", method, "What it gives");
  EXPECT_EQ(option.default_text, "zero");
  ASSERT_EQ(option.choices.size(), names_of<AblationMethod>().size());
  const auto& target = std::get<ChoiceTarget>(option.target);
  ASSERT_TRUE(target.set("uniform").ok());
  EXPECT_EQ(method, AblationMethod::uniform);
  const Status refused = target.set("noise");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "noise is not one of zero, mean, resample or uniform");
  EXPECT_EQ(method, AblationMethod::uniform);
}

TEST(Options, AResultRecordsTheValuesOfNow) {
  std::int64_t count = 3;
  std::uint64_t seed = 0;
  std::string shown = "x";
  OptionList list;
  list.add("count", count, "A number");
  list.add("seed", seed, "A seed");
  list.add("shown", shown, "Only for the eye").unrecorded();
  count = 5;
  const store::Attributes used = list.attributes();
  ASSERT_EQ(used.size(), 2U);
  EXPECT_EQ(used[0].name, "count");
  EXPECT_EQ(std::get<std::int64_t>(used[0].value), 5);
  EXPECT_EQ(list.find("count")->default_text, "3");
}

TEST(Options, SayWhatATextIs) {
  std::string prompt, from, to, plain;
  OptionList list;
  list.add("prompt", prompt, "A prompt").prose();
  list.add("from", from, "A file").reads_file();
  list.add("to", to, "Another").writes_file("*.npy");
  list.add("plain", plain, "A text");
  const auto said = [&](const char* name, const char* key) { return list.find(name)->to_json().at(key).get<bool>(); };
  for (const char* name : {"prompt", "from", "to", "plain"}) {
    EXPECT_EQ(said(name, "prose"), name == std::string("prompt")) << name;
    EXPECT_EQ(said(name, "reads_file"), name == std::string("from")) << name;
    EXPECT_EQ(said(name, "writes_file"), name == std::string("to")) << name;
  }
  EXPECT_EQ(list.find("to")->file_kinds, "*.npy");
}

} // namespace
} // namespace headscope::methods
