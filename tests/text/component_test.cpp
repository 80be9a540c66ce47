// SPDX-License-Identifier: GPL-3.0-or-later
// Each normalizer, pre-tokenizer and decoder alone, against the tokenizers library.
#include "core/text/json_components.h"
#include "core/text/unicode.h"
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

const nlohmann::json& components() {
  static const nlohmann::json value = golden("components.json");
  return value;
}

// Like the library, makes no text for an empty piece.
std::vector<std::string> cut(const PreTokenizers& steps, const std::string& text) {
  Segment segment;
  segment.text = text;
  if (!text.empty()) segment.spans = {{0, text.size()}};
  segment.at_start = true;
  for (const auto& step : steps)
    EXPECT_TRUE(step->apply(segment).ok());
  std::vector<std::string> out;
  for (const Span& span : segment.spans)
    out.emplace_back(segment.view(span));
  return out;
}

TEST(Components, PreTokenizers) {
  for (const auto& entry : components()["pre_tokenizers"]) {
    PreTokenizers steps;
    const Status status = read_pre_tokenizer(JsonField(entry["config"], "test"), steps);
    ASSERT_TRUE(status.ok()) << status.error().to_string() << entry["config"];
    for (std::size_t i = 0; i < entry["pieces"].size(); ++i) {
      const auto text = components()["texts"][i].get<std::string>();
      if (text.empty()) continue; // never reaches a pre-tokenizer
      EXPECT_EQ(cut(steps, text), entry["pieces"][i].get<std::vector<std::string>>())
          << entry["config"] << components()["texts"][i];
    }
  }
}

TEST(Components, Normalizers) {
  for (const auto& entry : components()["normalizers"]) {
    Normalizers steps;
    const Status status = read_normalizer(JsonField(entry["config"], "test"), steps);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
    for (std::size_t i = 0; i < entry["texts"].size(); ++i) {
      auto text = components()["texts"][i].get<std::string>();
      for (const auto& step : steps)
        ASSERT_TRUE(step->apply(text, SIZE_MAX).ok());
      EXPECT_EQ(text, entry["texts"][i].get<std::string>())
          << entry["config"].value("type", "") << components()["texts"][i];
    }
  }
}

TEST(Components, Decoders) {
  for (const auto& entry : components()["decoders"]) {
    Decoders steps;
    Spelling spelling = Spelling::plain;
    const Status status = read_decoder(JsonField(entry["config"], "test"), steps, spelling);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
    for (std::size_t i = 0; i < entry["texts"].size(); ++i) {
      auto pieces = components()["lists"][i].get<std::vector<std::string>>();
      for (const auto& step : steps)
        ASSERT_TRUE(step->apply(pieces).ok());
      std::string text;
      for (const std::string& piece : pieces)
        text += piece;
      EXPECT_EQ(text, entry["texts"][i].get<std::string>()) << entry["config"] << components()["lists"][i];
    }
  }
}

// Expected values: python3 -c 'print(bytes.decode("utf-8", "replace"))'.
TEST(Unicode, InvalidUtf8IsReplacedAsPythonDoes) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"ab", "ab"},
      {"a\xFF"
       "b",
       "a" + bad + "b"},
      {"\xE4\xBD", bad}, // cut short: one for the whole part
      {"\xE4\xBD"
       "A",
       bad + "A"},
      {"\xC0\xAF", bad + bad},           // overlong
      {"\xED\xA0\x80", bad + bad + bad}, // surrogate
      {"\xF0\x9F\x98", bad},
      {"\xF4\x90\x80\x80", bad + bad + bad + bad}, // beyond U+10FFFF
      {"\x80", bad},
      {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
  };
  for (const auto& [bytes, expected] : cases) {
    std::string storage;
    EXPECT_EQ(valid_utf8(bytes, storage), expected);
  }
  const auto tokenizer = load(golden_path("gpt2"));
  EXPECT_EQ(encode(*tokenizer, "a\xFF"), encode(*tokenizer, "a" + bad));
  EXPECT_EQ(encode(*tokenizer, std::string_view("a\0b", 3)).size(), 3U);
}

} // namespace
} // namespace headscope::text
