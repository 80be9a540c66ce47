// SPDX-License-Identifier: GPL-3.0-or-later
// Vocabularies as GGUF files hold them, against transformers reading the same vocabulary from a GGUF file, with the
// parts that its reader drops put back.
#include "core/text/gguf_tokenizer.h"

#include <algorithm>

#include "tests/text/golden.h"

namespace headscope::text {
namespace {

std::optional<std::int64_t> id_of(const nlohmann::json& entry, const char* key) {
  if (!entry.contains(key) || entry[key].is_null()) return std::nullopt;
  return entry[key].get<std::int64_t>();
}

std::optional<bool> flag_of(const nlohmann::json& entry, const char* key) {
  if (!entry.contains(key) || entry[key].is_null()) return std::nullopt;
  return entry[key].get<bool>();
}

// Keeps the strings that the data's views are of.
struct Case {
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  GgufTokenizerData data;
};

Case make_case(const nlohmann::json& all, const nlohmann::json& entry) {
  const auto shared = [&](const char* key) { return all["shared"][entry[key].get<std::size_t>()]; };
  Case out;
  out.tokens = shared("tokens").get<std::vector<std::string>>();
  if (entry.contains("merges")) out.merges = shared("merges").get<std::vector<std::string>>();
  if (entry.contains("scores")) out.data.scores = shared("scores").get<std::vector<float>>();
  out.data.types = shared("types").get<std::vector<std::int32_t>>();
  out.data.tokens.assign(out.tokens.begin(), out.tokens.end());
  out.data.merges.assign(out.merges.begin(), out.merges.end());
  out.data.file = "test.gguf";
  out.data.architecture = entry["architecture"];
  out.data.model = entry["model"];
  out.data.pre = entry["pre"];
  out.data.bos = id_of(entry, "bos");
  out.data.eos = id_of(entry, "eos");
  out.data.unk = id_of(entry, "unk");
  out.data.pad = id_of(entry, "pad");
  out.data.add_bos = flag_of(entry, "add_bos");
  out.data.add_eos = flag_of(entry, "add_eos");
  out.data.add_space_prefix = flag_of(entry, "add_space_prefix");
  return out;
}

TEST(GgufTokenizer, EqualsTransformers) {
  const auto all = golden("gguf_cases.json");
  const auto texts = golden("texts.json");
  for (const auto& entry : all["cases"]) {
    const Case made = make_case(all, entry);
    const auto tokenizer = make_gguf_tokenizer(made.data);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
    const std::string name = made.data.architecture + " " + made.data.pre + " ";
    for (std::size_t i = 0; i < entry["texts"].size(); ++i) {
      const auto& text = texts[entry["texts"][i].get<std::size_t>()];
      const auto ids = entry["ids"][i].get<Ids>();
      EXPECT_EQ(encode(**tokenizer, text.get<std::string>()), ids) << name << text;
      EXPECT_EQ((*tokenizer)->decode(ids), entry["decoded"][i].get<std::string>()) << name << text;
    }
  }
}

// Among pieces of one score SentencePiece and llama.cpp merge the leftmost pair first, whatever their ids.
TEST(GgufTokenizer, EqualScoresAreMergedFromTheLeft) {
  const std::vector<std::string> tokens = {"<unk>", "a", "b", "c", "ab", "ba", "bc", "abc", "cab"};
  GgufTokenizerData data;
  data.file = "test.gguf";
  data.architecture = data.model = "llama";
  data.tokens.assign(tokens.begin(), tokens.end());
  data.types = {2, 1, 1, 1, 1, 1, 1, 1, 1};
  data.add_bos = data.add_space_prefix = false;
  for (const float score : {0.0F, -3.5F}) {
    data.scores.assign(tokens.size(), score);
    const auto tokenizer = make_gguf_tokenizer(data);
    ASSERT_TRUE(tokenizer.ok());
    EXPECT_EQ(encode(**tokenizer, "bab"), (Ids{5, 2}));   // ba, b; by ids b, ab
    EXPECT_EQ(encode(**tokenizer, "babc"), (Ids{5, 6}));  // ba, bc
    EXPECT_EQ(encode(**tokenizer, "cabc"), (Ids{8, 3}));  // c, ab, c; then cab
    EXPECT_EQ(encode(**tokenizer, "abcab"), (Ids{7, 4})); // ab, c, ab; then abc
  }
}

// llama.cpp's end-of-generation set.
TEST(GgufTokenizer, WhereGenerationEnds) {
  const auto all = golden("gguf_cases.json");
  Case made = make_case(all, all["cases"][0]);
  const auto ends = [&] {
    const auto tokenizer = make_gguf_tokenizer(made.data);
    EXPECT_TRUE(tokenizer.ok());
    return (*tokenizer)->end_ids();
  };
  const auto id_of_text = [&](std::string_view text) {
    const auto found = std::find(made.data.tokens.begin(), made.data.tokens.end(), text);
    return static_cast<std::int64_t>(found - made.data.tokens.begin());
  };
  std::vector<std::int64_t> known = {2};
  for (const char* text : {"<|endoftext|>", "<|im_end|>", "<|eot_id|>"})
    if (const std::int64_t id = id_of_text(text); id < static_cast<std::int64_t>(made.data.tokens.size()))
      known.push_back(id);
  made.data.eot = 40;
  made.data.eom = 41;
  known.insert(known.end(), {40, 41});
  made.data.tokens[50] = "<end_of_turn>";
  known.push_back(50);
  made.data.tokens[51] = "</s>"; // plain text here
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  made.data.merges.resize(0);
  const std::string merge = made.merges[0];
  made.data.merges.push_back(merge);
  EXPECT_EQ(ends(), known);
  made.data.types[51] = 3;
  known.push_back(51);
  std::sort(known.begin(), known.end());
  EXPECT_EQ(ends(), known);
}

// A control token in characters outside the byte alphabet keeps its own id.
TEST(GgufTokenizer, SpecialTokensInOtherScripts) {
  const auto all = golden("gguf_cases.json");
  Case made = make_case(all, all["cases"][0]);
  made.data.merges.resize(1);
  made.data.tokens[60] = "<\xEF\xBD\x9C"
                         "begin\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>";
  made.data.types[60] = 3;
  made.data.bos = 60;
  const auto tokenizer = make_gguf_tokenizer(made.data);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ(encode(**tokenizer, made.data.tokens[60], {.add_special = false}), Ids{60});
  EXPECT_EQ((*tokenizer)->bos(), 60);
  EXPECT_EQ((*tokenizer)->vocab_size(), static_cast<std::int64_t>(made.data.tokens.size()));
}

class BrokenGguf : public testing::Test {
protected:
  BrokenGguf() : all_(golden("gguf_cases.json")), case_(make_case(all_, all_["cases"][0])) {}

  void expect(ErrorCode code, const std::string& field) {
    const auto tokenizer = make_gguf_tokenizer(case_.data);
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_EQ(tokenizer.error().code, code);
    EXPECT_EQ(tokenizer.error().field, "tokenizer.ggml." + field);
    EXPECT_EQ(tokenizer.error().file, "test.gguf");
  }

  nlohmann::json all_;
  Case case_;
};

TEST_F(BrokenGguf, NoTokens) {
  case_.data.tokens.clear();
  expect(ErrorCode::corrupt, "tokens");
}
TEST_F(BrokenGguf, TypesOfAnotherLength) {
  case_.data.types.pop_back();
  expect(ErrorCode::corrupt, "token_type");
}
TEST_F(BrokenGguf, TokenThatIsNotUtf8) {
  case_.data.tokens[5] = "\xE4\xBD";
  expect(ErrorCode::corrupt, "tokens[5]");
}
TEST_F(BrokenGguf, BosOutsideTheVocabulary) {
  case_.data.bos = static_cast<std::int64_t>(case_.data.tokens.size());
  expect(ErrorCode::corrupt, "bos_token_id");
}
TEST_F(BrokenGguf, MergeOfUnknownPieces) {
  case_.data.merges[3] = "nope nothing";
  expect(ErrorCode::corrupt, "merges[3]");
}
TEST_F(BrokenGguf, MergeOfOnePiece) {
  case_.data.merges[3] = "nope";
  expect(ErrorCode::corrupt, "merges[3]");
}
TEST_F(BrokenGguf, NoMerges) {
  case_.data.merges.clear();
  expect(ErrorCode::corrupt, "merges");
}
TEST_F(BrokenGguf, UnknownModel) {
  case_.data.model = "bert";
  expect(ErrorCode::unsupported, "model");
}
TEST_F(BrokenGguf, UnknownPreTokenizer) {
  case_.data.pre = "no-such-pre";
  expect(ErrorCode::unsupported, "pre");
}
TEST_F(BrokenGguf, SentencePieceWithoutScores) {
  case_.data.model = "llama";
  case_.data.merges.clear();
  case_.data.scores.clear();
  expect(ErrorCode::corrupt, "merges");
}

} // namespace
} // namespace headscope::text
