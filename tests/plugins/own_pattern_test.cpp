// SPDX-License-Identifier: GPL-3.0-or-later
// Patterns given by the user: rules checked by hand, and files. Scores of heads by them are compared with numpy in
// tests/cli/own_inputs_test.py.
#include "plugins/detectors/own_pattern.h"

#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/detectors/builtin.h"
#include "tests/folder_test.h"

namespace headscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> rows_of(const std::string& rule, const std::vector<std::int64_t>& ids) {
  std::vector<std::string> rows;
  const at::Tensor tokens = at::tensor(ids, at::kLong);
  const auto own = read_pattern(rule, "previous.pattern");
  if (!own.ok()) return {own.error().to_string()};
  const auto pattern = pattern_on(*own, tokens, "previous.pattern");
  if (!pattern.ok()) return {pattern.error().to_string()};
  for (std::int64_t q = 0; q < pattern->size(0); ++q) {
    std::string row;
    for (std::int64_t k = 0; k < pattern->size(1); ++k)
      row += (*pattern)[q][k].item<double>() == 0.0 ? '.' : '1';
    rows.push_back(row);
  }
  return rows;
}

TEST(PatternRules, AttendWhereTheySay) {
  const std::vector<std::int64_t> ids = {5, 7, 5, 7};
  EXPECT_THAT(rows_of("first", ids), ElementsAre("1...", "1...", "1...", "1..."));
  EXPECT_THAT(rows_of("current", ids), ElementsAre("1...", ".1..", "..1.", "...1"));
  EXPECT_THAT(rows_of("previous", ids), ElementsAre("....", "1...", ".1..", "..1."));
  EXPECT_THAT(rows_of("same_token", ids), ElementsAre("....", "....", "1...", ".1.."));
  EXPECT_THAT(rows_of("same token", ids), ElementsAre("....", "....", "1...", ".1.."));
  EXPECT_THAT(rows_of("after_same_token", ids), ElementsAre("....", "....", ".1..", "..1."));
}

class PatternFiles : public test::FolderTest {
protected:
  Error refused(const std::string& name, const std::string& text) const {
    const auto read = read_pattern(write(name, text), "previous.pattern");
    EXPECT_FALSE(read.ok()) << text;
    return read.ok() ? Error{} : read.error();
  }
};

TEST_F(PatternFiles, CsvIsAQueryALine) {
  const auto read = read_pattern(write("p.csv", "1, 0,0\r\n0.5,0.5,0\n0,1e0,0\n"), "previous.pattern");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_FALSE(read->is_mask);
  EXPECT_TRUE(at::equal(read->matrix, at::tensor({1.0F, 0.0F, 0.0F, 0.5F, 0.5F, 0.0F, 0.0F, 1.0F, 0.0F}).view({3, 3})));
  const auto other = pattern_on(*read, at::arange(4), "previous.pattern");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().field, "previous.pattern");
  EXPECT_THAT(other.error().message, HasSubstr("is of 3 tokens, the text has 4"));
}

TEST_F(PatternFiles, NameTheEntryThatIsWrong) {
  EXPECT_EQ(refused("p.csv", "1,0\n1,x\n").field, "previous.pattern: line 2, column 2");
  EXPECT_EQ(refused("p.csv", "1,0\n1,\n").field, "previous.pattern: line 2, column 2");
  EXPECT_EQ(refused("p.csv", "1,1\n1,0\n").field, "previous.pattern: query 0, key 1");
  EXPECT_EQ(refused("p.csv", "1,0\nnan,0\n").field, "previous.pattern: query 1, key 0");
  EXPECT_THAT(refused("p.csv", "1,0,0\n1,0,0\n").message, HasSubstr("not 2 x 3"));
  EXPECT_EQ(refused("p.csv", "1,0\n1\n").code, ErrorCode::corrupt);
  EXPECT_EQ(refused("p.npy", "no array").code, ErrorCode::corrupt);
  const auto missing = read_pattern((folder / "none.npy").string(), "previous.pattern");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  const auto neither = read_pattern("nearest", "previous.pattern");
  ASSERT_FALSE(neither.ok());
  EXPECT_EQ(neither.error().field, "previous.pattern");
  EXPECT_THAT(neither.error().message, HasSubstr("first, current, previous, same_token or after_same_token"));
}

// The errors of detectors about options before a model is loaded.
Status said(const std::string& id, const std::vector<std::pair<std::string, std::string>>& values) {
  const auto detector = make_pattern_detector(id);
  OptionSet options(detector->options());
  for (const auto& [name, value] : values)
    EXPECT_TRUE(options.set(name, value).ok()) << name;
  return detector->check_options(options);
}

TEST_F(PatternFiles, OptionsThatDoNotFitEachOther) {
  const std::string text = write("t.txt", "some text");
  EXPECT_TRUE(said("induction", {}).ok());
  EXPECT_TRUE(said("induction", {{"pattern", "first"}}).ok());
  EXPECT_TRUE(said("previous", {{"text", text}, {"repeat", "off"}}).ok());
  EXPECT_TRUE(said("induction", {{"text", text}, {"repeat", "off"}, {"measure", "abs"}}).ok());
  for (const auto& [id, values, field] :
       std::vector<std::tuple<std::string, std::vector<std::pair<std::string, std::string>>, std::string>>{
           {"induction", {{"pattern", "first"}, {"measure", "stripe"}}, "induction.measure"},
           {"induction", {{"pattern", "nearest"}}, "induction.pattern"},
           {"induction", {{"text", text}, {"repeat", "off"}}, "induction.repeat"},
           {"previous", {{"repeat", "off"}}, "previous.repeat"},
           {"previous", {{"bos", "off"}}, "previous.bos"},
           {"previous", {{"text", text + ".none"}}, "previous.text"}}) {
    const Status status = said(id, values);
    ASSERT_FALSE(status.ok()) << field;
    EXPECT_EQ(status.error().field, field);
  }
}

} // namespace
} // namespace headscope
