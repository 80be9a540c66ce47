// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/json_text.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "core/base/text_file.h"
#include "tests/new_folder.h"

namespace headscope {
namespace {

using testing::HasSubstr;

std::string nested(int depth, const std::string& open, const std::string& close) {
  std::string text;
  for (int i = 0; i < depth; ++i)
    text += open;
  for (int i = 0; i < depth; ++i)
    text += close;
  return text;
}

TEST(JsonText, NumbersThatPythonWritesBecomeTheirSpelling) {
  const auto json =
      parse_json(R"({"a": NaN, "b": [Infinity, -Infinity, 1e999, -1e999], "NaN": "Infinity", "c": -1.5e2})", "f");
  ASSERT_TRUE(json.ok()) << json.error().to_string();
  EXPECT_EQ((*json)["a"], "NaN");
  EXPECT_EQ((*json)["b"], (nlohmann::json{"Infinity", "-Infinity", "Infinity", "-Infinity"}));
  EXPECT_EQ((*json)["NaN"], "Infinity");
  EXPECT_EQ((*json)["c"], -150.0);
}

TEST(JsonText, TextThatLooksLikeThemIsLeftAlone) {
  const std::string text = R"({"k\\": "NaN \" Infinity", "e": "[[[{"})";
  const auto json = parse_json(text, "f");
  ASSERT_TRUE(json.ok()) << json.error().to_string();
  EXPECT_EQ(*json, nlohmann::json::parse(text));
  EXPECT_FALSE(parse_json("{\"a\": Nan}", "f").ok());
  EXPECT_FALSE(parse_json("{\"a\": -}", "f").ok());
  EXPECT_FALSE(parse_json("\"\\", "f").ok());
}

TEST(JsonText, DepthIsBounded) {
  EXPECT_TRUE(parse_json(nested(limits::nesting, "[", "]"), "f").ok());
  for (const std::string open : {"[", "\n{\"a\":"}) {
    const auto json = parse_json(nested(1'000'000, open, ""), "deep.json");
    ASSERT_FALSE(json.ok());
    EXPECT_EQ(json.error().code, ErrorCode::corrupt);
    EXPECT_THAT(json.error().to_string(), HasSubstr("deep.json: is nested more than 500 deep"));
  }
}

TEST(TextFile, OnlyRegularFilesWhereOneIsMeant) {
  const std::string folder = test::new_folder();
  const std::string pipe = folder + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/zero"), folder}) {
    const auto text = read_regular_file(path);
    ASSERT_FALSE(text.ok()) << path;
    EXPECT_EQ(text.error().code, ErrorCode::io);
  }
  std::ofstream(folder + "/file") << std::string(100'000, 'x');
  EXPECT_EQ(read_regular_file(folder + "/file").value().size(), 100'000);
  EXPECT_EQ(read_regular_file(folder + "/none").error().code, ErrorCode::not_found);
  std::filesystem::remove_all(folder);
}

TEST(TextFile, AnEndlessDeviceIsTooLarge) {
  const auto text = read_text_file("/dev/zero", 1 << 20);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().to_string(), HasSubstr("more than 1048576 bytes"));
}

} // namespace
} // namespace headscope
