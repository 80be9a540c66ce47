// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/prompt_file.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "core/prompts/csv.h"
#include "core/prompts/tasks/task.h"
#include "tests/new_folder.h"
#include "tests/prompts/tokenizers.h"

namespace headscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PromptFile : public testing::Test {
protected:
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder + "/" + name) << text;
    return folder + "/" + name;
  }
  const std::string folder = test::new_folder();
};

TEST_F(PromptFile, CsvIsReadAsItIsWritten) {
  const std::vector<std::string> fields = {"a,b", "say \"x\"\nand go", " plain", "", "\r"};
  const auto table = parse_csv("1,2,3,4,5\n" + csv_line(fields), "f.csv");
  ASSERT_TRUE(table.ok()) << table.error().to_string();
  ASSERT_EQ(table->rows.size(), 1u);
  EXPECT_EQ(table->rows[0], fields);
}

TEST_F(PromptFile, SeveralAnswers) {
  EXPECT_THAT(split_answers(" 33| 34"), ElementsAre(" 33", " 34"));
  EXPECT_THAT(split_answers("|"), ElementsAre("|"));
  EXPECT_THAT(split_answers("||"), ElementsAre("||"));
  EXPECT_THAT(split_answers(" a"), ElementsAre(" a"));
  EXPECT_THAT(split_answers(""), ElementsAre());
  EXPECT_EQ(join_answers({" 33", " 34"}), " 33| 34");
}

TEST_F(PromptFile, JsonIsReadAsWhatItIs) {
  const auto pairs = read_prompt_file(write("made.json", R"({"task": "ioi", "pairs": [
    {"clean": "a", "corrupted": "b", "answer": [" x", " y"], "wrong": [" z"]}, {"clean": "c", "corrupted": "d", "answer": " e"}]})"));
  ASSERT_TRUE(pairs.ok()) << pairs.error().to_string();
  ASSERT_EQ(pairs->size(), 2U);
  EXPECT_EQ((*pairs)[0].prompt, "a");
  EXPECT_EQ((*pairs)[0].corrupted, "b");
  EXPECT_EQ((*pairs)[0].answer, " x| y");
  EXPECT_EQ((*pairs)[1].answer, " e");
  const auto list = read_prompt_file(write("list.JSON", R"(["one", {"prompt": "two"}])"));
  ASSERT_TRUE(list.ok()) << list.error().to_string();
  EXPECT_EQ((*list)[0].prompt, "one");
  EXPECT_EQ((*list)[1].prompt, "two");
  EXPECT_FALSE(read_prompt_file(write("other.json", R"({"a": 1})")).ok());
  EXPECT_FALSE(read_prompt_file(write("cut.json", R"([{"prompt": "a")")).ok());
}

TEST_F(PromptFile, MarksOfTheEncodingAreNoText) {
  for (const char* name : {"a.txt", "a", "a.csv", "a.jsonl", "a.json"}) {
    const std::string ending = std::filesystem::path(name).extension();
    const std::string text = ending == ".csv"     ? "prompt\nHi\n"
                             : ending == ".jsonl" ? "{\"prompt\": \"Hi\"}\n"
                             : ending == ".json"  ? "[\"Hi\"]"
                                                  : "Hi\n";
    const auto rows = read_prompt_file(write(name, "\xEF\xBB\xBF" + text));
    ASSERT_TRUE(rows.ok()) << name << rows.error().to_string();
    ASSERT_EQ(rows->size(), 1U);
    EXPECT_EQ((*rows)[0].prompt, "Hi") << name;
    for (const std::string mark : {"\xFF\xFE", "\xFE\xFF"}) {
      const auto wide = read_prompt_file(write(name, mark + std::string("H\0i\0\n\0", 6)));
      ASSERT_FALSE(wide.ok()) << name;
      EXPECT_THAT(wide.error().message, HasSubstr("UTF-16"));
    }
  }
}

TEST_F(PromptFile, AColumnStandsOnce) {
  const auto rows = read_prompt_file(write("twice.csv", "prompt,answer,prompt\na, x,b\n"));
  ASSERT_FALSE(rows.ok());
  EXPECT_THAT(rows.error().message, HasSubstr("several columns prompt"));
}

TEST_F(PromptFile, WhatIsUnknownIsRefused) {
  for (const char* name : {"p.tsv", "p.yaml", "p.parquet", "p.md"})
    EXPECT_FALSE(read_prompt_file(write(name, "a prompt\n")).ok()) << name;
  for (const char* name : {"p.txt", "prompts"})
    EXPECT_TRUE(read_prompt_file(write(name, "a prompt\n")).ok()) << name;
  const auto columns = read_prompt_file(write("p.csv", "text,label\na,b\n"));
  ASSERT_FALSE(columns.ok());
  EXPECT_THAT(columns.error().message, HasSubstr("text, label"));
  const auto fields = read_prompt_file(write("p.jsonl", "{\"text\": \"a\"}\n"));
  ASSERT_FALSE(fields.ok());
  EXPECT_THAT(fields.error().message, HasSubstr("only: text"));
}

TEST_F(PromptFile, PairsOfAFileAreCheckedAndCounted) {
  const std::string path = write("pairs.csv", "clean,corrupted,answer,wrong\n"
                                              "The key is,The lock is, red, blue\n"
                                              "The key is,The keys is, red, blue\n"
                                              "The key was,The lock was, red| green, blue\n");
  const auto set = make_task(test::WordTokenizer({" keys"}), {path, {}, {}, 0, 0});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  EXPECT_EQ(set->title(), "pairs.csv");
  ASSERT_EQ(set->cases.size(), 2u);
  EXPECT_EQ(set->cases[1].tokens.answers.answer.size(), 2u);
  ASSERT_EQ(set->dropped.size(), 1u);
  EXPECT_THAT(set->dropped[0].reason, HasSubstr("different numbers of tokens"));
}

TEST_F(PromptFile, JsonLinesMayHaveListsOfAnswers) {
  const std::string path =
      write("pairs.jsonl", R"({"clean": "A b", "corrupted": "A c", "answer": [" x", " y"], "wrong": " z"})"
                           "\n");
  const auto set = make_task(test::WordTokenizer(), {path, {}, {}, 0, 0});
  ASSERT_TRUE(set.ok()) << set.error().to_string();
  EXPECT_THAT(set->cases[0].example.answer, ElementsAre(" x", " y"));
}

TEST_F(PromptFile, ErrorsNameFileAndLine) {
  const std::string path = write("pairs.csv", "clean,corrupted,answer\nA b,,x\n");
  const auto set = make_task(test::WordTokenizer(), {path, {}, {}, 0, 0});
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().file, path);
  EXPECT_EQ(set.error().field, "line 2");
  EXPECT_EQ(make_task(test::WordTokenizer(), {"missing.csv", {}, {}, 0, 0}).error().code, ErrorCode::not_found);
}

} // namespace
} // namespace headscope
