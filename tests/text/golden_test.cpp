// SPDX-License-Identifier: GPL-3.0-or-later
// Whole tokenizers against the ids and texts of transformers and SentencePiece.
#include <algorithm>

#include "tests/text/golden.h"

namespace headscope::text {
namespace {

class TokenizerJson : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerJson, EqualsTransformers) {
  const std::string name = GetParam();
  const auto tokenizer = load(golden_path(name));
  ASSERT_TRUE(tokenizer);
  const auto expected = golden(name + "/golden.json");
  expect_rows(*tokenizer, golden("texts.json"), expected["rows"]);
  EXPECT_EQ(tokenizer->vocab_size(), expected["size"].get<std::int64_t>());
  expect_decodes(*tokenizer, expected["decodes"]);
  expect_invalid(*tokenizer, expected["invalid"]);
  for (std::size_t i = 0; i < expected["pieces"].size(); ++i) {
    const auto id = expected["piece_ids"][i].get<std::int64_t>();
    const auto piece = expected["pieces"][i].get<std::string>();
    EXPECT_EQ(tokenizer->piece(id), piece);
    if (piece != "\xE2\x96\x81new\xE2\x96\x81word") { // an added token shown normalized has no id by that name
      EXPECT_EQ(tokenizer->id_of_piece(piece), id);
    }
  }
  Ids special;
  for (std::int64_t id = 0; id < tokenizer->vocab_size(); ++id) {
    if (tokenizer->is_special(id)) special.push_back(id);
  }
  auto expected_special = expected["special"].get<Ids>();
  std::sort(expected_special.begin(), expected_special.end());
  EXPECT_EQ(special, expected_special);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerJson,
                         testing::Values("gpt2", "gpt2_prefix", "llama3", "qwen2", "smollm", "llama2", "gemma",
                                         "unigram", "unigram_bytes", "lower", "llama31", "mistral", "phi3", "neox",
                                         "t5"),
                         [](const auto& test) { return std::string(test.param); });

TEST(TokenizerFolder, Kinds) {
  EXPECT_EQ(load(golden_path("gpt2"))->kind(), "byte-level BPE");
  EXPECT_EQ(load(golden_path("gemma"))->kind(), "SentencePiece BPE");
  EXPECT_EQ(load(golden_path("unigram"))->kind(), "SentencePiece Unigram");
  EXPECT_EQ(load(golden_path("lower"))->kind(), "BPE");
}

TEST(TokenizerFolder, ConfigurationNamesTokens) {
  const auto expected = golden("configured.json");
  TemporaryFolder folder;
  std::filesystem::copy_file(golden_path("gpt2/tokenizer.json"), folder.path() + "/tokenizer.json");
  folder.write("tokenizer_config.json", expected["config"].dump());
  const auto tokenizer = load(folder.path());
  ASSERT_TRUE(tokenizer);
  for (std::size_t i = 0; i < expected["texts"].size(); ++i) {
    EXPECT_EQ(encode(*tokenizer, expected["texts"][i].get<std::string>()), expected["ids"][i].get<Ids>());
  }
  const auto& names = expected["names"];
  EXPECT_EQ(tokenizer->bos(), names["bos"].get<std::int64_t>());
  EXPECT_EQ(tokenizer->eos(), names["eos"].get<std::int64_t>());
  EXPECT_EQ(tokenizer->pad(), names["pad"].get<std::int64_t>());
  EXPECT_EQ(tokenizer->unk().has_value(), !names["unk"].is_null());
  EXPECT_TRUE(tokenizer->is_special(*tokenizer->pad()));
  const ChatMessage message{"user", "Hi"};
  const auto chat = render_chat(*tokenizer, std::span(&message, 1), false);
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(*chat, expected["chat"].get<std::string>());
}

// sep_token, mask_token and tokens of the model's own, added_tokens.json beside tokenizer.json, and which file counts.
TEST(TokenizerFolder, FilesBesideTokenizerJson) {
  const auto all = golden("named.json");
  for (const auto& row : all["rows"]) {
    const TemporaryFolder folder;
    std::filesystem::copy_file(golden_path("gpt2/tokenizer.json"), folder.path() + "/tokenizer.json");
    for (const auto& [name, content] : row["files"].items())
      folder.write(name, content.dump());
    const auto tokenizer = load(folder.path());
    ASSERT_TRUE(tokenizer);
    for (std::size_t i = 0; i < all["texts"].size(); ++i) {
      const auto ids = row["ids"][i].get<Ids>();
      EXPECT_EQ(encode(*tokenizer, all["texts"][i].get<std::string>()), ids) << row["files"] << all["texts"][i];
      EXPECT_EQ(tokenizer->decode(ids, true), row["plain"][i].get<std::string>()) << row["files"];
    }
    EXPECT_EQ(tokenizer->eos().has_value(), !row["eos"].is_null());
    if (tokenizer->eos()) {
      EXPECT_EQ(*tokenizer->eos(), row["eos"].get<std::int64_t>());
    }
  }
}

TEST(TokenizerFolder, VocabAndMerges) {
  const auto model = golden("gpt2/tokenizer.json")["model"];
  std::string merges = "#version: 0.2\n";
  for (const auto& merge : model["merges"])
    merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  const auto texts = golden("texts.json");
  const auto all = golden("vocab_and_merges.json");
  for (const auto& [name, expected] : all.items()) {
    TemporaryFolder folder;
    folder.write("vocab.json", model["vocab"].dump());
    folder.write("merges.txt", merges);
    folder.write("tokenizer_config.json", expected["config"].dump());
    const auto tokenizer = load(folder.path());
    ASSERT_TRUE(tokenizer);
    for (std::size_t i = 0; i < expected["ids"].size(); ++i) {
      EXPECT_EQ(encode(*tokenizer, texts[i].get<std::string>()), expected["ids"][i].get<Ids>())
          << name << " " << texts[i];
    }
  }
}

TEST(SentencePieceModel, EqualsTheLibrary) {
  for (const std::string kind : {"unigram", "bpe"}) {
    const auto tokenizer = load(golden_path("sentencepiece/" + kind + ".model"));
    ASSERT_TRUE(tokenizer);
    EXPECT_EQ(tokenizer->kind(), kind == "bpe" ? "SentencePiece BPE" : "SentencePiece Unigram");
    const auto expected = golden("sentencepiece/" + kind + ".json");
    for (const auto& row : expected["rows"]) {
      EXPECT_EQ(encode(*tokenizer, row["text"].get<std::string>()), row["ids"].get<Ids>()) << kind << row["text"];
      EXPECT_EQ(tokenizer->decode(row["ids"].get<Ids>()), row["decoded"].get<std::string>()) << kind << row["text"];
    }
    EXPECT_EQ(tokenizer->vocab_size(), expected["size"].get<std::int64_t>());
    expect_invalid(*tokenizer, expected["invalid"]);
    for (std::size_t i = 0; i < expected["pieces"].size(); ++i) {
      EXPECT_EQ(tokenizer->piece(static_cast<std::int64_t>(i) * 11), expected["pieces"][i].get<std::string>());
    }
    EXPECT_EQ(encode(*tokenizer, "</s>"), Ids{*tokenizer->eos()}); // control symbols are parsed, as transformers does
  }
}

TEST(TokenizerFolder, TokensBesideTheVocabulary) {
  const auto all = golden("added.json");
  for (const auto& row : all["rows"]) {
    TemporaryFolder folder;
    for (const auto& [name, content] : row["files"].items())
      folder.write(name, content.dump());
    const bool vocabulary = row["kind"] == "vocab.json";
    for (const std::string name : {"vocab.json", "merges.txt", "tokenizer.model"})
      if ((name != "tokenizer.model") == vocabulary)
        std::filesystem::copy_file(golden_path("added/" + name), folder.path() + "/" + name);
    const auto tokenizer = load(folder.path());
    ASSERT_TRUE(tokenizer);
    EXPECT_EQ(tokenizer->eos(), row["eos"].get<std::int64_t>()) << row["files"];
    for (std::size_t i = 0; i < all["texts"].size(); ++i)
      EXPECT_EQ(encode(*tokenizer, all["texts"][i].get<std::string>()), row["ids"][i].get<Ids>())
          << row["files"] << all["texts"][i];
  }
}

// Ends are those of transformers' generate(): generation_config.json before config.json before the tokenizer's own EOS.
TEST(TokenizerFolder, WhereGenerationEnds) {
  TemporaryFolder folder;
  std::filesystem::copy_file(golden_path("gpt2/tokenizer.json"), folder.path() + "/tokenizer.json");
  folder.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
  const auto ends = [&] { return load(folder.path())->end_ids(); };
  EXPECT_EQ(ends(), Ids{*load(folder.path())->id_of_piece("<|im_end|>")});
  folder.write("config.json", R"({"text_config": {"eos_token_id": [3, 4]}})");
  EXPECT_EQ(ends(), (Ids{3, 4}));
  folder.write("config.json", R"({"eos_token_id": [5, 6], "text_config": {"eos_token_id": 3}})");
  EXPECT_EQ(ends(), (Ids{5, 6}));
  folder.write("generation_config.json", R"({"eos_token_id": null})");
  EXPECT_EQ(ends(), (Ids{5, 6}));
  folder.write("generation_config.json", R"({"eos_token_id": 7})");
  EXPECT_EQ(ends(), Ids{7});
}

// The ids are those of tokenizers 0.23: the list's length counts, repeated pieces included.
TEST(TokenizerFolder, TokensBehindAListThatRepeatsPieces) {
  TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"model": {"type": "Unigram", "unk_id": 0, "vocab":
    [["<unk>", 0.0], ["a", -1.0], ["b", -1.0], ["a", -2.0]]},
    "added_tokens": [{"id": 4, "content": "<x>", "special": true}]})");
  const auto tokenizer = load(folder.path());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->id_of_piece("<x>"), 4);
}

TEST(WordModels, EqualTokenizers) {
  const auto all = golden("words.json");
  for (const auto& entry : all["cases"]) {
    TemporaryFolder folder;
    folder.write("tokenizer.json", entry["tokenizer"].dump());
    const auto tokenizer = load(folder.path());
    ASSERT_TRUE(tokenizer);
    for (std::size_t i = 0; i < all["texts"].size(); ++i) {
      const auto ids = entry["ids"][i].get<Ids>();
      EXPECT_EQ(encode(*tokenizer, all["texts"][i].get<std::string>()), ids) << tokenizer->kind() << all["texts"][i];
      EXPECT_EQ(tokenizer->decode(ids, true), entry["decoded"][i].get<std::string>()) << all["texts"][i];
    }
  }
}

TEST(TokenText, BytesOfPieces) {
  const auto gpt2 = load(golden_path("gpt2"));
  EXPECT_EQ(gpt2->text(*gpt2->id_of_piece("Ġthe")), " the");
  EXPECT_EQ(gpt2->text(*gpt2->id_of_piece("Ã")), "\xC3"); // half a character
  EXPECT_EQ(gpt2->text(*gpt2->id_of_piece("<|im_end|>")), "<|im_end|>");
  const auto gemma = load(golden_path("gemma"));
  EXPECT_EQ(gemma->text(*gemma->id_of_piece("\xE2\x96\x81the")), " the");
  EXPECT_EQ(gemma->text(*gemma->id_of_piece("<0xFF>")), "\xFF");
  EXPECT_EQ(gemma->text(-1), "");
  EXPECT_EQ(gemma->piece(1 << 20), "");
  EXPECT_EQ(gemma->id_of_piece("no such piece"), std::nullopt);
  const std::vector<std::int64_t> outside = {-5, 1 << 20};
  EXPECT_EQ(gemma->decode(outside), "");
}

} // namespace
} // namespace headscope::text
