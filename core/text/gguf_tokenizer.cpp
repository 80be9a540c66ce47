// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/text/bpe.h"
#include "core/text/gguf_ends.h"
#include "core/text/gguf_splits.h"
#include "core/text/pipeline.h"
#include "core/text/unicode.h"

namespace headscope::text {

namespace {

constexpr std::int32_t unknown = 2;
constexpr std::int32_t control = 3;
constexpr std::int32_t user_defined = 4;

Error broken(const GgufTokenizerData& data, std::string message, std::string field) {
  return make_error(ErrorCode::corrupt, std::move(message), data.file, "tokenizer.ggml." + std::move(field));
}

constexpr const char* metaspace = "\xE2\x96\x81";

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
  const std::array<std::pair<std::optional<std::int64_t>, const char*>, 6> ids = {{{data.bos, "bos_token_id"},
                                                                                   {data.eos, "eos_token_id"},
                                                                                   {data.eot, "eot_token_id"},
                                                                                   {data.eom, "eom_token_id"},
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

// Gemma's files write a token of spaces with spaces, its vocabulary with U+2581.
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
    const std::size_t space = line.find(' ', 1); // a left piece may itself begin with a space
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

// Returns the file's merge list, or the merges that the vocabulary implies, best score first.
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
  return merges_from_vocabulary(vocabulary, ids, scores, EqualScores::by_place);
}

Status build_byte_level(const GgufTokenizerData& data, const GgufSplit& split, PipelineParts& parts) {
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string_view token = data.tokens[i];
    if (in_byte_alphabet(token))
      parts.vocabulary->set(static_cast<std::int64_t>(i), token);
    else
      parts.vocabulary->set(static_cast<std::int64_t>(i), spell_bytes(token));
  }
  if (data.merges.empty()) return broken(data, "is missing", "merges");
  HS_ASSIGN(MergeTable merges, listed_merges(data, *parts.vocabulary));
  BpeOptions options;
  options.ignore_merges = split.ignore_merges;
  parts.model = make_bpe(*parts.vocabulary, std::move(merges), options);
  for (const std::string_view pattern : split.patterns) {
    HS_ASSIGN(Regex regex, Regex::compile(pattern));
    parts.pre_tokenizers.push_back(split_pattern(std::move(regex), SplitBehavior::isolated, false));
  }
  HS_ASSIGN(auto bytes, split_byte_level(false, false));
  parts.pre_tokenizers.push_back(std::move(bytes));
  parts.decoders.push_back(decode_byte_level());
  parts.spelling = Spelling::byte_level;
  parts.kind = "byte-level BPE";
  return {};
}

bool is_gemma(const GgufTokenizerData& data) {
  return data.architecture == "gemma" || data.architecture == "gemma2" || data.architecture == "gemma3";
}

Status build_sentencepiece(const GgufTokenizerData& data, PipelineParts& parts) {
  const bool gemma = is_gemma(data);
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
  parts.decoders.push_back(decode_replace(metaspace, " "));
  parts.decoders.push_back(decode_byte_fallback());
  parts.decoders.push_back(decode_fuse());
  // Like SentencePiece and llama.cpp, adds a space before the text and after every added token in it, whatever the text
  // begins with. Gemma's older files do not say that they add none.
  if (data.add_space_prefix.value_or(!gemma)) {
    parts.normalizers.push_back(normalize_prepend(metaspace));
    parts.decoders.push_back(decode_strip(" ", 1, 0));
  }
  parts.normalizers.push_back(normalize_replace(" ", metaspace));
  parts.spelling = Spelling::metaspace;
  parts.kind = "SentencePiece BPE";
  return {};
}

// Phi 3's own tokenizer drops white space after its special tokens except these; no key of the file says so.
bool strips_behind(const GgufTokenizerData& data, std::string_view content) {
  std::string name = data.name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool phi3 = name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
  return phi3 && content != "<unk>" && content != "<s>" && content != "<|endoftext|>";
}

void add_special_tokens(const GgufTokenizerData& data, PipelineParts& parts) {
  const auto add = [&](std::size_t id, bool special) {
    AddedToken token;
    token.id = static_cast<std::int64_t>(id); // its own, whatever a piece of that spelling has
    token.content = data.tokens[id];
    token.special = special;
    token.rstrip = strips_behind(data, token.content);
    parts.added.add(token);
  };
  for (std::size_t i = 0; i < data.types.size(); ++i) {
    const bool special = data.types[i] == control || data.types[i] == unknown;
    if (!special && data.types[i] != user_defined) continue;
    // Gemma's runs of spaces are merged from their pieces.
    if (!special && is_gemma(data) && parts.vocabulary->find(data.tokens[i]) < 0) continue;
    add(i, special);
  }
  const auto named = [&](std::optional<std::int64_t> id, std::optional<std::int64_t>& out) {
    out = id;
    if (id && !parts.added.find(*id)) add(static_cast<std::size_t>(*id), true);
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
  bool add_bos = data.model == "llama"; // where the file does not say
  if (data.model == "gpt2") {
    const GgufSplit* split = find_gguf_split(data.pre);
    if (!split)
      return make_error(ErrorCode::unsupported, "the pre-tokenizer \"" + data.pre + "\" is not supported", data.file,
                        "tokenizer.ggml.pre");
    add_bos = split->add_bos;
    HS_TRY(build_byte_level(data, *split, parts));
  } else if (data.model == "llama") {
    HS_TRY(build_sentencepiece(data, parts));
  } else {
    return make_error(ErrorCode::unsupported, "the tokenizer \"" + data.model + "\" is not supported", data.file,
                      "tokenizer.ggml.model");
  }
  add_special_tokens(data, parts);
  parts.ends = gguf_ends(data);
  if (data.add_bos.value_or(add_bos) && parts.bos) parts.prefix.push_back(*parts.bos);
  if (data.add_eos.value_or(false) && parts.eos) parts.suffix.push_back(*parts.eos);
  parts.chat_template = data.chat_template;
  parts.file = parts.chat_file = data.file;
  return make_pipeline(std::move(parts));
}

} // namespace headscope::text
