// SPDX-License-Identifier: GPL-3.0-or-later
// A tokenizer from a GGUF file's own bytes: one case of gguf_cases.json, broken key by key.
#include <cstring>
#include <random>

#include "core/io/gguf.h"
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

// The format's numbers for the kinds of values.
enum Kind : std::uint32_t { u32 = 4, i32 = 5, f32 = 6, boolean = 7, string = 8, array = 9 };

template <typename T> std::string bytes_of(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}
std::string text(const std::string& value) { return bytes_of<std::uint64_t>(value.size()) + value; }

// A value with its kind in front.
std::string string_value(const std::string& value) { return bytes_of<std::uint32_t>(string) + text(value); }
std::string id_value(std::uint32_t value) { return bytes_of<std::uint32_t>(u32) + bytes_of(value); }
std::string flag_value(bool value) { return bytes_of<std::uint32_t>(boolean) + (value ? '\1' : '\0'); }
std::string list_value(Kind kind, std::size_t count, const std::string& elements) {
  return bytes_of<std::uint32_t>(array) + bytes_of<std::uint32_t>(kind) + bytes_of<std::uint64_t>(count) + elements;
}
std::string list_value(const std::vector<std::string>& values) {
  std::string elements;
  for (const std::string& value : values)
    elements += text(value);
  return list_value(string, values.size(), elements);
}
template <typename T> std::string list_value(Kind kind, const std::vector<T>& values) {
  std::string elements;
  for (const T value : values)
    elements += bytes_of(value);
  return list_value(kind, values.size(), elements);
}

class GgufFileTokenizer : public testing::Test {
protected:
  GgufFileTokenizer() : all_(golden("gguf_cases.json")), case_(all_["cases"][0]) {
    const auto shared = [&](const char* key) { return all_["shared"][case_[key].get<std::size_t>()]; };
    pairs_["general.architecture"] = string_value(case_["architecture"]);
    pairs_["tokenizer.ggml.model"] = string_value(case_["model"]);
    pairs_["tokenizer.ggml.pre"] = string_value(case_["pre"]);
    pairs_["tokenizer.ggml.tokens"] = list_value(shared("tokens").get<std::vector<std::string>>());
    pairs_["tokenizer.ggml.merges"] = list_value(shared("merges").get<std::vector<std::string>>());
    pairs_["tokenizer.ggml.token_type"] = list_value(i32, shared("types").get<std::vector<std::int32_t>>());
    pairs_["tokenizer.ggml.bos_token_id"] = id_value(case_["bos"]);
    pairs_["tokenizer.ggml.eos_token_id"] = id_value(case_["eos"]);
    pairs_["tokenizer.ggml.unknown_token_id"] = id_value(case_["unk"]);
    pairs_["tokenizer.ggml.padding_token_id"] = id_value(case_["pad"]);
    pairs_["tokenizer.ggml.add_bos_token"] = flag_value(case_["add_bos"]);
    pairs_["tokenizer.chat_template"] = string_value("{{ messages[0].content }}{{ eos_token }}");
  }

  std::string path() const { return folder_.path() + "/test.gguf"; }

  std::string file_bytes() const {
    std::string out = "GGUF" + bytes_of<std::uint32_t>(3) + bytes_of<std::uint64_t>(0);
    out += bytes_of<std::uint64_t>(pairs_.size());
    for (const auto& [key, value] : pairs_)
      out += text(key) + value;
    return out;
  }

  Result<std::unique_ptr<Tokenizer>> load_file() { return load_bytes(file_bytes()); }

  Result<std::unique_ptr<Tokenizer>> load_bytes(const std::string& bytes) {
    folder_.write("test.gguf", bytes);
    HS_ASSIGN(const GgufFile file, GgufFile::open(path()));
    return load_tokenizer_gguf(file);
  }

  void expect_error(const std::string& key, const std::string& value, const std::string& field) {
    const auto good = pairs_;
    pairs_[key] = value;
    const auto tokenizer = load_file();
    pairs_ = good;
    ASSERT_FALSE(tokenizer.ok()) << key;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::corrupt);
    EXPECT_EQ(tokenizer.error().field, field);
    EXPECT_EQ(tokenizer.error().file, path());
  }

  nlohmann::json all_;
  nlohmann::json case_;
  std::map<std::string, std::string> pairs_;
  TemporaryFolder folder_;
};

TEST_F(GgufFileTokenizer, EqualsTransformers) {
  const auto tokenizer = load_file();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  const auto texts = golden("texts.json");
  for (std::size_t i = 0; i < case_["texts"].size(); ++i) {
    const auto& row = texts[case_["texts"][i].get<std::size_t>()];
    EXPECT_EQ(encode(**tokenizer, row.get<std::string>()), case_["ids"][i].get<Ids>()) << row;
  }
  const ChatMessage message{"user", "Hi"};
  const auto chat = render_chat(**tokenizer, std::span(&message, 1), false);
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(*chat, "Hi" + (*tokenizer)->piece(case_["eos"].get<std::int64_t>()));
}

TEST_F(GgufFileTokenizer, NoTokenizer) {
  pairs_ = {{"general.architecture", string_value("llama")}};
  const auto tokenizer = load_file();
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.error().code, ErrorCode::not_found);
  EXPECT_EQ(tokenizer.error().file, path());
}

TEST_F(GgufFileTokenizer, ValuesOfAnotherKind) {
  const std::string number = id_value(7);
  const std::string word = string_value("seven");
  const std::string base = "tokenizer.ggml.";
  for (const std::string key : {"model", "pre", "tokens", "merges", "token_type", "scores", "add_bos_token"})
    expect_error(base + key, number, base + key);
  for (const std::string key : {"tokens", "merges", "token_type", "scores", "bos_token_id", "eos_token_id",
                                "unknown_token_id", "padding_token_id", "add_bos_token", "add_eos_token"}) {
    expect_error(base + key, word, base + key);
  }
  expect_error("general.architecture", number, "general.architecture");
  expect_error("tokenizer.chat_template", number, "tokenizer.chat_template");
}

TEST_F(GgufFileTokenizer, MostKeysMayBeMissing) {
  for (const std::string key :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id", "add_bos_token", "token_type", "pre"})
    pairs_.erase("tokenizer.ggml." + key);
  pairs_.erase("tokenizer.chat_template");
  const auto tokenizer = load_file();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ((*tokenizer)->bos(), std::nullopt);
}

// The defaults are llama.cpp's (src/llama-vocab.cpp: the defaults of a vocabulary of the kind "llama").
TEST_F(GgufFileTokenizer, SentencePieceHasLlamasIdsWhereItSaysNone) {
  pairs_ = {{"general.architecture", string_value("llama")},
            {"tokenizer.ggml.model", string_value("llama")},
            {"tokenizer.ggml.tokens", list_value({"<unk>", "<s>", "</s>", "a", "\xE2\x96\x81",
                                                  "\xE2\x96\x81"
                                                  "a"})},
            {"tokenizer.ggml.scores", list_value(f32, std::vector<float>{0, 0, 0, -3, -2, -1})},
            {"tokenizer.ggml.token_type", list_value(i32, std::vector<std::int32_t>{2, 3, 3, 1, 1, 1})}};
  const auto tokenizer = load_file();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  EXPECT_EQ((*tokenizer)->bos(), 1);
  EXPECT_EQ((*tokenizer)->eos(), 2);
  EXPECT_EQ(encode(**tokenizer, "a"), (Ids{1, 5}));
}

TEST_F(GgufFileTokenizer, NumbersThatAreNone) {
  const std::size_t size = all_["shared"][case_["tokens"].get<std::size_t>()].size();
  std::vector<float> values(size, 1.0F);
  values[3] = 1e20F;
  expect_error("tokenizer.ggml.token_type", list_value(f32, values), "tokenizer.ggml.token_type[3]");
  values[3] = std::numeric_limits<float>::quiet_NaN();
  expect_error("tokenizer.ggml.token_type", list_value(f32, values), "tokenizer.ggml.token_type[3]");
  expect_error("tokenizer.ggml.scores", list_value(f32, values), "tokenizer.ggml.scores[3]");
  values.pop_back();
  values[3] = 1.0F;
  expect_error("tokenizer.ggml.scores", list_value(f32, values), "tokenizer.ggml.scores");
}

// Single bytes of the file changed, from a fixed seed.
TEST_F(GgufFileTokenizer, DamagedBytes) {
  const std::string good = file_bytes();
  std::mt19937 random(20240605);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = good;
    for (int i = 0; i <= round % 3; ++i)
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    if (round % 10 == 0) bytes.resize(random() % bytes.size());
    const auto tokenizer = load_bytes(bytes);
    if (tokenizer.ok())
      (void)(*tokenizer)->decode(encode(**tokenizer, "Hello  world\n123 <|im_end|>"), true);
    else
      EXPECT_EQ(tokenizer.error().file, path()) << tokenizer.error().to_string();
  }
}

} // namespace
} // namespace headscope::text
