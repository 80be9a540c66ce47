// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/text/bpe.h"
#include "core/text/pipeline.h"
#include "core/text/unicode.h"

namespace headscope::text {

namespace {

constexpr std::int32_t control = 3;
constexpr std::int32_t user_defined = 4;

constexpr const char* llama3_split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* qwen2_split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* qwen35_split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* tekken_split =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* gpt4o_split =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// tokenizer.ggml.pre to the pattern; null: GPT-2's. Those with null have digit rules of their own in llama.cpp;
// transformers reads them as GPT-2, and equality with transformers is what is promised.
constexpr std::array<std::pair<std::string_view, const char*>, 38> splits = {{
    {"", nullptr},
    {"default", nullptr},
    {"gpt-2", nullptr},
    {"gpt2", nullptr},
    {"smollm", nullptr},
    {"olmo", nullptr},
    {"starcoder", nullptr},
    {"refact", nullptr},
    {"command-r", nullptr},
    {"codeshell", nullptr},
    {"phi-2", nullptr},
    {"mpt", nullptr},
    {"jais", nullptr},
    {"llama3", llama3_split},
    {"llama-v3", llama3_split},
    {"llama-bpe", llama3_split},
    {"falcon3", llama3_split},
    {"falcon-h1", llama3_split},
    {"pixtral", llama3_split},
    {"midm-2.0", llama3_split},
    {"lfm2", llama3_split},
    {"jina-v5-nano", llama3_split},
    {"dbrx", llama3_split},
    {"smaug-bpe", llama3_split},
    {"tekken", tekken_split},
    {"qwen2", qwen2_split},
    {"deepseek-r1-qwen", qwen2_split},
    {"kormo", qwen2_split},
    {"f2llmv2", qwen2_split},
    {"megrez", qwen2_split},
    {"gpt-4o", gpt4o_split},
    {"llama4", gpt4o_split},
    {"kanana2", gpt4o_split},
    {"talkie", gpt4o_split},
    {"minimax-m2", gpt4o_split},
    {"stablelm2", nullptr},
    {"gpt-neox", nullptr},
    {"qwen35", qwen35_split},
}};

Error broken(const GgufTokenizerData& data, std::string message, std::string field) {
  return make_error(ErrorCode::corrupt, std::move(message), data.file, "tokenizer.ggml." + std::move(field));
}

std::string entry(const char* list, std::size_t index) {
  return std::string(list).append("[").append(std::to_string(index)).append("]");
}

Status check(const GgufTokenizerData& data) {
  if (data.tokens.empty()) return broken(data, "is missing or empty", "tokens");
  if (data.tokens.size() > std::size_t{1} << 24) return broken(data, "holds too many tokens", "tokens");
  const auto fits = [&](std::size_t size, const char* field) -> Status {
    if (size == 0 || size == data.tokens.size()) return {};
    return broken(
        data, "has " + std::to_string(size) + " entries for " + std::to_string(data.tokens.size()) + " tokens", field);
  };
  HS_TRY(fits(data.scores.size(), "scores"));
  HS_TRY(fits(data.types.size(), "token_type"));
  std::string storage;
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string_view token = data.tokens[i];
    if (valid_utf8(token, storage).data() != token.data()) {
      return broken(data, "is not UTF-8", entry("tokens", i));
    }
  }
  const auto size = static_cast<std::int64_t>(data.tokens.size());
  const std::array<std::pair<std::optional<std::int64_t>, const char*>, 4> ids = {{{data.bos, "bos_token_id"},
                                                                                   {data.eos, "eos_token_id"},
                                                                                   {data.unk, "unknown_token_id"},
                                                                                   {data.pad, "padding_token_id"}}};
  for (const auto& [id, field] : ids) {
    if (id && (*id < 0 || *id >= size)) {
      return broken(data, std::to_string(*id) + " is outside the vocabulary of " + std::to_string(size), field);
    }
  }
  return {};
}

bool in_byte_alphabet(std::string_view token) {
  while (!token.empty()) {
    const CodePoint c = first_code_point(token);
    if (char_to_byte(c.value) < 0) return false;
    token.remove_prefix(c.length);
  }
  return true;
}

std::string spell_bytes(std::string_view token) {
  std::string out;
  for (const char c : token)
    append_utf8(byte_to_char(static_cast<unsigned char>(c)), out);
  return out;
}

// Gemma's files write a token of spaces as spaces, its vocabulary as U+2581.
std::string spell_gemma(std::string_view token) {
  const auto blank = [](char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); };
  std::string out;
  bool space = false;
  for (std::string_view rest = token; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    if (!blank(c.value)) return std::string(token);
    space = space || c.value == ' ';
    out += "\xE2\x96\x81";
    rest.remove_prefix(c.length);
  }
  return space ? out : std::string(token);
}

Result<MergeTable> listed_merges(const GgufTokenizerData& data, const Vocabulary& vocabulary) {
  MergeTable merges;
  merges.reserve(data.merges.size());
  for (std::size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string_view line = data.merges[rank];
    const std::string field = entry("merges", rank);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return broken(data, "should be two pieces", field);
    const std::string whole = std::string(line.substr(0, space)) + std::string(line.substr(space + 1));
    const std::int64_t left = vocabulary.find(line.substr(0, space));
    const std::int64_t right = vocabulary.find(line.substr(space + 1));
    const std::int64_t id = vocabulary.find(whole);
    if (left < 0 || right < 0 || id < 0) {
      return broken(data, std::string("names a piece that is not in the vocabulary: ").append(line), field);
    }
    merges.set(static_cast<std::int32_t>(left), static_cast<std::int32_t>(right), static_cast<std::int32_t>(rank),
               static_cast<std::int32_t>(id));
  }
  return merges;
}

// With a merge list that list; otherwise the merges that the vocabulary implies, best score first.
Result<MergeTable> merges_of(const GgufTokenizerData& data, const Vocabulary& vocabulary, bool by_position) {
  if (!data.merges.empty()) return listed_merges(data, vocabulary);
  if (!by_position && data.scores.empty()) return broken(data, "is missing, and so are the scores", "merges");
  std::vector<std::int64_t> ids;
  std::vector<double> scores;
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const auto id = static_cast<std::int64_t>(i);
    if (vocabulary.find(vocabulary.piece(id)) != id) continue; // a repeated piece belongs to its last id
    ids.push_back(id);
    scores.push_back(by_position ? -static_cast<double>(i) : static_cast<double>(data.scores[i]));
  }
  return merges_from_vocabulary(vocabulary, ids, scores);
}

Status build_byte_level(const GgufTokenizerData& data, PipelineParts& parts) {
  const auto split = std::find_if(splits.begin(), splits.end(), [&](const auto& s) { return s.first == data.pre; });
  if (split == splits.end()) {
    return make_error(ErrorCode::unsupported, "the pre-tokenizer \"" + data.pre + "\" is not supported", data.file,
                      "tokenizer.ggml.pre");
  }
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string_view token = data.tokens[i];
    if (in_byte_alphabet(token))
      parts.vocabulary->set(static_cast<std::int64_t>(i), token);
    else
      parts.vocabulary->set(static_cast<std::int64_t>(i), spell_bytes(token));
  }
  if (data.merges.empty()) return broken(data, "is missing", "merges");
  HS_ASSIGN(MergeTable merges, listed_merges(data, *parts.vocabulary));
  parts.model = make_bpe(*parts.vocabulary, std::move(merges), {});
  if (split->second) {
    HS_ASSIGN(Regex regex, Regex::compile(split->second));
    parts.pre_tokenizers.push_back(split_pattern(std::move(regex), SplitBehavior::isolated, false));
  }
  HS_ASSIGN(auto bytes, split_byte_level(false, split->second == nullptr));
  parts.pre_tokenizers.push_back(std::move(bytes));
  parts.decoders.push_back(decode_byte_level());
  parts.spelling = Spelling::byte_level;
  parts.kind = "byte-level BPE";
  return {};
}

Status build_sentencepiece(const GgufTokenizerData& data, PipelineParts& parts) {
  const std::string& name = data.architecture;
  const bool gemma = name == "gemma" || name == "gemma2" || name == "gemma3";
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const auto id = static_cast<std::int64_t>(i);
    if (gemma && data.tokens[i].find(' ') != std::string_view::npos)
      parts.vocabulary->set(id, spell_gemma(data.tokens[i]));
    else
      parts.vocabulary->set(id, data.tokens[i]);
  }
  HS_ASSIGN(MergeTable merges, merges_of(data, *parts.vocabulary, gemma));
  BpeOptions options;
  options.fuse_unk = true;
  options.byte_fallback = true;
  if (gemma) options.unk = parts.vocabulary->find("<unk>");
  parts.model = make_bpe(*parts.vocabulary, std::move(merges), options);
  parts.decoders.push_back(decode_replace("\xE2\x96\x81", " "));
  parts.decoders.push_back(decode_byte_fallback());
  parts.decoders.push_back(decode_fuse());
  if (gemma) {
    parts.normalizers.push_back(normalize_replace(" ", "\xE2\x96\x81"));
  } else {
    parts.decoders.push_back(decode_strip(" ", 1, 0));
    if (name == "phi3") {
      parts.normalizers.push_back(normalize_prepend("\xE2\x96\x81"));
      parts.normalizers.push_back(normalize_replace(" ", "\xE2\x96\x81"));
    } else {
      HS_ASSIGN(auto step, split_metaspace("\xE2\x96\x81", PrependScheme::first, false));
      parts.pre_tokenizers.push_back(std::move(step));
    }
  }
  parts.spelling = Spelling::metaspace;
  parts.kind = "SentencePiece BPE";
  return {};
}

void add_special_tokens(const GgufTokenizerData& data, PipelineParts& parts) {
  const bool byte_level = parts.spelling == Spelling::byte_level;
  for (std::size_t i = 0; i < data.types.size(); ++i) {
    const std::string_view content = data.tokens[i];
    const bool special = data.types[i] == control;
    if (!special && data.types[i] != user_defined) continue;
    // In a byte-level vocabulary a control token in other characters is mislabelled text.
    if (special && byte_level && !in_byte_alphabet(content)) continue;
    if (!special && parts.vocabulary->find(content) < 0) continue;
    AddedToken token;
    token.content = content;
    token.special = special;
    add_token(parts, token);
  }
  const auto named = [&](std::optional<std::int64_t> id, std::optional<std::int64_t>& out) {
    if (!id) return;
    AddedToken token;
    token.content = data.tokens[static_cast<std::size_t>(*id)];
    token.special = true;
    out = parts.added.find(token.content) ? token_id(parts, token.content) : add_token(parts, token);
  };
  named(data.bos, parts.bos);
  named(data.eos, parts.eos);
  named(data.unk, parts.unk);
  named(data.pad, parts.pad);
}

} // namespace

Result<std::unique_ptr<Tokenizer>> make_gguf_tokenizer(const GgufTokenizerData& data) {
  HS_TRY(check(data));
  PipelineParts parts;
  parts.vocabulary = std::make_unique<Vocabulary>();
  parts.vocabulary->reserve(data.tokens.size());
  if (data.model == "gpt2") {
    HS_TRY(build_byte_level(data, parts));
  } else if (data.model == "llama") {
    HS_TRY(build_sentencepiece(data, parts));
  } else {
    return make_error(ErrorCode::unsupported, "the tokenizer \"" + data.model + "\" is not supported", data.file,
                      "tokenizer.ggml.model");
  }
  add_special_tokens(data, parts);
  // Older SentencePiece files have no flag and mean "yes".
  if (data.add_bos.value_or(data.model == "llama") && parts.bos) parts.prefix.push_back(*parts.bos);
  if (data.add_eos.value_or(false) && parts.eos) parts.suffix.push_back(*parts.eos);
  parts.chat_template = data.chat_template;
  return make_pipeline(std::move(parts));
}

} // namespace headscope::text
