// SPDX-License-Identifier: GPL-3.0-or-later
// Files that are not what they should be: one error that names the file and the field, never a crash.
#include <functional>

#include "tests/text/golden.h"

namespace headscope::text {
namespace {

class Broken : public testing::Test {
protected:
  // Loads gpt2's (or another's) tokenizer.json after a change.
  void expect(const std::function<void(nlohmann::json&)>& change, ErrorCode code, const std::string& field,
              const std::string& base = "gpt2") {
    nlohmann::json document = golden(base + "/tokenizer.json");
    change(document);
    expect_text(document.dump(), code, field);
  }

  void expect_text(const std::string& text, ErrorCode code, const std::string& field) {
    folder_.write("tokenizer.json", text);
    const auto tokenizer = load_tokenizer_folder(folder_.path());
    ASSERT_FALSE(tokenizer.ok()) << field;
    EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().to_string();
    EXPECT_EQ(tokenizer.error().field, field) << tokenizer.error().to_string();
    EXPECT_EQ(tokenizer.error().file, folder_.path() + "/tokenizer.json");
    EXPECT_FALSE(tokenizer.error().message.empty());
  }

  TemporaryFolder folder_;
};

using Json = nlohmann::json;
constexpr auto corrupt = ErrorCode::corrupt;
constexpr auto unsupported = ErrorCode::unsupported;

TEST_F(Broken, Documents) {
  expect_text("", corrupt, "");
  expect_text("{", corrupt, "");
  expect_text("[]", corrupt, "");
  expect_text("{}", corrupt, "model");
  expect_text("{\"model\": 3}", corrupt, "model");
  expect_text("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"\xFF\": 1}}}", corrupt, "");
}

TEST_F(Broken, Model) {
  expect([](Json& j) { j.erase("model"); }, corrupt, "model");
  expect([](Json& j) { j["model"]["type"] = "Nope"; }, unsupported, "model.type");
  expect([](Json& j) { j["model"]["type"] = 7; }, corrupt, "model.type");
  expect([](Json& j) { j["model"].erase("vocab"); }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"].erase("merges"); }, corrupt, "model.merges");
  expect([](Json& j) { j["model"]["merges"] = "a b"; }, corrupt, "model.merges");
  expect([](Json& j) { j["model"]["merges"][4] = "nope nothing"; }, corrupt, "model.merges[4]");
  expect([](Json& j) { j["model"]["merges"][4] = {"a", 1}; }, corrupt, "model.merges[4]");
  expect([](Json& j) { j["model"]["merges"][4] = "a b c"; }, corrupt, "model.merges[4]");
  expect([](Json& j) { j["model"]["merges"][4] = nullptr; }, corrupt, "model.merges[4]");
  expect([](Json& j) { j["model"]["byte_fallback"] = "yes"; }, corrupt, "model.byte_fallback");
  expect([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, unsupported, "model.end_of_word_suffix");
}

TEST_F(Broken, Vocabulary) {
  expect([](Json& j) { j["model"]["vocab"] = 3; }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"]["vocab"]["a"] = -1; }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"]["vocab"]["a"] = 1.5; }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"]["vocab"]["a"] = "1"; }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"]["vocab"]["a"] = j["model"]["vocab"]["b"]; }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"]["vocab"]["a"] = 1LL << 60; }, corrupt, "model.vocab");
  expect([](Json& j) { j["model"]["vocab"] = Json::array(); }, corrupt, "model.vocab", "unigram");
  expect([](Json& j) { j["model"]["vocab"][9] = "a"; }, corrupt, "model.vocab[9]", "unigram");
  expect([](Json& j) { j["model"]["unk_id"] = 99999; }, corrupt, "model.unk_id", "unigram");
  expect([](Json& j) { j["model"]["unk_id"] = -1; }, corrupt, "model.unk_id", "unigram");
}

TEST_F(Broken, AddedTokens) {
  expect([](Json& j) { j["added_tokens"] = 1; }, corrupt, "added_tokens");
  expect([](Json& j) { j["added_tokens"][1]["id"] = -4; }, corrupt, "added_tokens[1]");
  expect([](Json& j) { j["added_tokens"][1]["id"] = "x"; }, corrupt, "added_tokens[1].id");
  expect([](Json& j) { j["added_tokens"][1]["id"] = j["added_tokens"][0]["id"]; }, corrupt, "added_tokens[1]");
  expect([](Json& j) { j["added_tokens"][1].erase("content"); }, corrupt, "added_tokens[1].content");
  expect([](Json& j) { j["added_tokens"][1]["special"] = 1; }, corrupt, "added_tokens[1].special");
}

TEST_F(Broken, Components) {
  expect([](Json& j) { j["pre_tokenizer"] = {{"type", "Nope"}}; }, unsupported, "pre_tokenizer");
  expect([](Json& j) { j["pre_tokenizer"] = "x"; }, corrupt, "pre_tokenizer");
  expect(
      [](Json& j) {
        j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Nope"}}}}};
      },
      unsupported, "pre_tokenizer.pretokenizers[0]");
  const auto split = [](const char* regex) {
    return [regex](Json& j) {
      j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
    };
  };
  expect(split("(unclosed"), corrupt, "pre_tokenizer.pattern");
  expect(split("[[:"), corrupt, "pre_tokenizer.pattern");
  expect(split("\\u12"), corrupt, "pre_tokenizer.pattern");
  expect(split("\\"), corrupt, "pre_tokenizer.pattern");
  expect(
      [](Json& j) {
        j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"String", ""}}}};
      },
      corrupt, "pre_tokenizer");
  expect(
      [](Json& j) {
        j["pre_tokenizer"] = {{"type", "Punctuation"}, {"behavior", "Nope"}};
      },
      unsupported, "pre_tokenizer.behavior");
  expect([](Json& j) { j["normalizer"] = {{"type", "Nope"}}; }, unsupported, "normalizer");
  expect(
      [](Json& j) {
        j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "!!"}};
      },
      corrupt, "normalizer.precompiled_charsmap");
  expect(
      [](Json& j) {
        j["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "////////AAAA"}};
      },
      corrupt, "normalizer.precompiled_charsmap");
  expect([](Json& j) { j["decoder"] = {{"type", "Nope"}}; }, unsupported, "decoder");
  expect(
      [](Json& j) {
        j["decoder"] = {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}};
      },
      corrupt, "decoder");
  expect([](Json& j) { j["post_processor"] = {{"type", "Nope"}}; }, unsupported, "post_processor");
  expect(
      [](Json& j) {
        j["post_processor"]["single"][0] = {{"SpecialToken", {{"id", "gone"}}}};
      },
      corrupt, "post_processor.special_tokens.gone", "llama2");
}

// A file cut off anywhere gives an error, not a crash.
TEST_F(Broken, CutFiles) {
  std::ifstream in(golden_path("gemma/tokenizer.json"));
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t size = 0; size + 2 < text.size(); size += 97) {
    folder_.write("tokenizer.json", text.substr(0, size));
    EXPECT_FALSE(load_tokenizer_folder(folder_.path()).ok());
  }
  for (const std::string kind : {"unigram", "bpe"}) {
    std::ifstream model(golden_path("sentencepiece/" + kind + ".model"), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(model)), {});
    TemporaryFolder folder;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, bytes.size() / 2 + 1}) {
      folder.write("tokenizer.model", bytes.substr(0, size));
      const auto tokenizer = load_tokenizer_folder(folder.path());
      if (!tokenizer.ok()) {
        EXPECT_EQ(tokenizer.error().file, folder.path() + "/tokenizer.model");
      }
    }
    folder.write("tokenizer.model", "this is no model");
    EXPECT_FALSE(load_tokenizer_folder(folder.path()).ok());
  }
}

TEST_F(Broken, Folders) {
  const auto empty = load_tokenizer_folder(folder_.path());
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, ErrorCode::not_found);
  const auto absent = load_tokenizer_folder(folder_.path() + "/nothing");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::not_found);
  folder_.write("vocab.json", "{\"a\": 0, \"b\": 1}");
  folder_.write("merges.txt", "#version: 0.2\na b\n");
  const auto merges = load_tokenizer_folder(folder_.path());
  ASSERT_FALSE(merges.ok());
  EXPECT_EQ(merges.error().field, "line 2");
}

TEST_F(Broken, Configuration) {
  std::filesystem::copy_file(golden_path("gpt2/tokenizer.json"), folder_.path() + "/tokenizer.json");
  const auto fails = [&](const std::string& config, const std::string& field) {
    folder_.write("tokenizer_config.json", config);
    const auto tokenizer = load_tokenizer_folder(folder_.path());
    ASSERT_FALSE(tokenizer.ok()) << config;
    EXPECT_EQ(tokenizer.error().field, field) << tokenizer.error().to_string();
    EXPECT_EQ(tokenizer.error().file, folder_.path() + "/tokenizer_config.json");
  };
  fails("nonsense", "");
  fails("{\"bos_token\": 5}", "bos_token");
  fails("{\"add_bos_token\": \"yes\"}", "add_bos_token");
  fails("{\"chat_template\": 1}", "chat_template");
  fails("{\"chat_template\": [{\"name\": \"default\"}]}", "chat_template[0].template");
  fails("{\"added_tokens_decoder\": {\"-1\": {\"content\": \"x\"}}}", "added_tokens_decoder.-1");
}

} // namespace
} // namespace headscope::text
