// SPDX-License-Identifier: GPL-3.0-or-later
// Tokenizer files that would backtrack or grow without end.
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

class TokenizerBudget : public testing::Test {
protected:
  Result<std::vector<std::int64_t>> encode_with(const char* part, const nlohmann::json& value,
                                                const std::string& text) {
    nlohmann::json document = golden("gpt2/tokenizer.json");
    document[part] = value;
    folder_.write("tokenizer.json", document.dump());
    const auto tokenizer = load_tokenizer_folder(folder_.path());
    if (!tokenizer.ok()) return tokenizer.error();
    return (*tokenizer)->encode(text);
  }
  void expect_refused(const char* part, const nlohmann::json& value, const std::string& text, const std::string& says) {
    const auto ids = encode_with(part, value, text);
    ASSERT_FALSE(ids.ok()) << value;
    EXPECT_EQ(ids.error().code, ErrorCode::corrupt);
    EXPECT_EQ(ids.error().file, folder_.path() + "/tokenizer.json");
    EXPECT_NE(ids.error().message.find(says), std::string::npos) << ids.error().message;
  }
  TemporaryFolder folder_;
};

TEST_F(TokenizerBudget, PatternsThatBacktrack) {
  for (const char* pattern : {"(a+)+$", "(a|aa)+$"}) {
    const nlohmann::json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
    expect_refused("pre_tokenizer", split, std::string(200, 'a') + "!", pattern);
  }
}

TEST_F(TokenizerBudget, LongRunsOfSpacesAreNoAttack) {
  const auto ids = encode_with("pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}},
                               std::string(1'000'000, ' ') + "a");
  EXPECT_TRUE(ids.ok()) << ids.error().to_string();
}

TEST_F(TokenizerBudget, NormalizersThatMultiply) {
  nlohmann::json list = nlohmann::json::array();
  for (int i = 0; i < 8; ++i)
    list.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(40, 'a')}});
  expect_refused("normalizer", {{"type", "Sequence"}, {"normalizers", list}}, "aaaa", "bytes");
  list[0]["pattern"] = {{"Regex", "a"}};
  expect_refused("normalizer", {{"type", "Sequence"}, {"normalizers", list}}, "aaaa", "bytes");
  expect_refused("normalizer", {{"type", "Prepend"}, {"prepend", std::string(4 << 20, 'x')}}, "a", "bytes");
}

TEST_F(TokenizerBudget, SequencesInSequences) {
  for (const auto& [part, key] : {std::pair{"normalizer", "normalizers"}, std::pair{"pre_tokenizer", "pretokenizers"},
                                  std::pair{"decoder", "decoders"}, std::pair{"post_processor", "processors"}}) {
    std::string nested = "{}";
    for (int i = 0; i < 20'000; ++i)
      nested.insert(0, std::string(R"({"type":"Sequence",")") + key + "\":[").append("]}");
    folder_.write("tokenizer.json",
                  std::string(R"({"model":{"type":"BPE","vocab":{},"merges":[]},")") + part + "\":" + nested + "}");
    const auto tokenizer = load_tokenizer_folder(folder_.path());
    ASSERT_FALSE(tokenizer.ok()) << part;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::corrupt);
  }
}

} // namespace
} // namespace headscope::text
