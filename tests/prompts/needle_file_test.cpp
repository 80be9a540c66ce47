// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/needle_file.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/folder_test.h"

namespace headscope {
namespace {

using testing::HasSubstr;

class NeedleFiles : public test::FolderTest {
protected:
  // The error of a file with this text.
  Error refused(const std::string& name, const std::string& text) const {
    const auto read = read_needle_file(write(name, text));
    EXPECT_FALSE(read.ok()) << text;
    return read.ok() ? Error{} : read.error();
  }
};

TEST_F(NeedleFiles, SayTheSameInEveryForm) {
  const std::string object =
      R"({"name": "door", "needle": "The key is \"red\", not blue.", "question": "Which key?", "answer": "\"red\""})";
  const std::string second = R"({"needle": "A b.", "question": "C?", "real_needle": "b", "other": 3})";
  const std::string csv = "question,name,answer,needle,other\r\n"
                          "Which key?,door,\"\"\"red\"\"\",\"The key is \"\"red\"\", not blue.\",x\r\n"
                          "C?,,b,A b.,\r\n";
  for (const std::string& path :
       {write("a.json", "[" + object + ",\n" + second + "]"),
        write("b.json", "{\"needles\": [" + object + "," + second + "]}"),
        write("c.jsonl", object + "\n\n" + second + "\n"), write("d.csv", csv), write("e.csv", "\xEF\xBB\xBF" + csv)}) {
    const auto read = read_needle_file(path);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    ASSERT_EQ(read->needles.size(), 2u) << path;
    EXPECT_EQ(read->needles[0].name, "door");
    EXPECT_EQ(read->needles[0].needle, "The key is \"red\", not blue.");
    EXPECT_EQ(read->needles[0].question, "Which key?");
    EXPECT_EQ(read->needles[0].real_needle, "\"red\"");
    EXPECT_EQ(read->needles[1].name, "needle-1");
    EXPECT_EQ(read->needles[1].real_needle, "b");
  }
}

TEST_F(NeedleFiles, HaveTheHashThatSha256sumGives) {
  const auto read = read_needle_file(write("a.json", R"([{"needle": "A b.", "question": "C?", "answer": "b"}])"));
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->sha256, "70d5f6ee713aa8adbace04f3b73d4e241ee2cafb54b2d2176f9254941c7a3ba0");
}

TEST_F(NeedleFiles, NameThePlaceOfAMistake) {
  Error error = refused("a.csv", "needle,question\nA b.,C?\n");
  EXPECT_EQ(error.field, "line 2: answer");
  EXPECT_THAT(error.message, HasSubstr("there are needle, question"));
  EXPECT_THAT(error.file, HasSubstr("a.csv"));
  error = refused("a.jsonl", "{\"needle\": \"A b.\", \"question\": \"C?\", \"answer\": \"b\"}\n\n{\"needle\": 3}\n");
  EXPECT_EQ(error.field, "line 3: needle");
  EXPECT_THAT(error.message, HasSubstr("not a string"));
  error = refused("a.json", R"({"needles": [{"needle": "A b.", "question": "C?", "answer": "d"}]})");
  EXPECT_EQ(error.field, "needles[0]: answer");
  EXPECT_THAT(error.message, HasSubstr("part of the needle"));
  const std::string twice = R"({"name": "n", "needle": "A b.", "question": "C?", "answer": "b"})";
  error = refused("a.json", "[" + twice + "," + twice + "]");
  EXPECT_EQ(error.field, "[1]: name");
  EXPECT_EQ(refused("a.jsonl", "[1]\n").field, "line 1");
  EXPECT_EQ(refused("a.jsonl", "{\n").field, "line 1");
  EXPECT_EQ(refused("a.json", "{}").code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused("a.json", "[]").message, HasSubstr("no needles"));
  EXPECT_EQ(refused("a.txt", "A b.").code, ErrorCode::unsupported);
  const auto missing = read_needle_file((folder / "none.csv").string());
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

} // namespace
} // namespace headscope
