// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/tokenizer_json.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/json_text.h"
#include "core/base/log.h"
#include "core/base/text_file.h"
#include "core/text/bpe.h"
#include "core/text/json_components.h"
#include "core/text/json_field.h"
#include "core/text/unigram.h"
#include "core/text/word_models.h"

namespace headscope::text {

namespace {

constexpr std::int64_t largest_id = std::int64_t{1} << 24; // far beyond any vocabulary; guards the memory

Status check_id(const JsonField& field, std::int64_t id, std::string_view piece) {
  if (id >= 0 && id < largest_id) return {};
  return field.error(ErrorCode::corrupt,
                     "the id " + std::to_string(id) + " of \"" + std::string(piece) + "\" is out of range");
}

Result<std::unique_ptr<Vocabulary>> read_vocab_object(const JsonField& field) {
  HS_TRY(field.expect_object());
  auto vocabulary = std::make_unique<Vocabulary>();
  vocabulary->reserve(field.node().size());
  for (const auto& [piece, value] : field.node().items()) {
    if (!value.is_number_integer()) {
      return field.error(ErrorCode::corrupt, "the id of \"" + piece + "\" is not an integer");
    }
    const auto id = value.get<std::int64_t>();
    HS_TRY(check_id(field, id, piece));
    if (vocabulary->has(id)) {
      return field.error(ErrorCode::corrupt, "\"" + piece + "\" and \"" + std::string(vocabulary->piece(id)) +
                                                 "\" have the same id " + std::to_string(id));
    }
    vocabulary->set(id, piece);
  }
  return vocabulary;
}

Result<std::pair<std::string, std::string>> read_merge(const JsonField& list, std::size_t index) {
  const nlohmann::json& node = list.node()[index];
  if (node.is_array() && node.size() == 2 && node[0].is_string() && node[1].is_string()) {
    return std::pair(node[0].get<std::string>(), node[1].get<std::string>());
  }
  if (node.is_string()) {
    const auto& text = node.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
  }
  HS_ASSIGN(const JsonField field, list.at(index));
  return field.error(ErrorCode::corrupt, "should be two pieces");
}

// Returns an empty text when all is well, otherwise what is wrong.
std::string add_merge(const Vocabulary& vocabulary, std::string_view left, std::string_view right, std::size_t rank,
                      MergeTable& merges) {
  const std::string whole = std::string(left) + std::string(right);
  const std::int64_t left_id = vocabulary.find(left);
  const std::int64_t right_id = vocabulary.find(right);
  const std::int64_t id = vocabulary.find(whole);
  if (left_id < 0) return "\"" + std::string(left) + "\" is not in the vocabulary";
  if (right_id < 0) return "\"" + std::string(right) + "\" is not in the vocabulary";
  if (id < 0) return "\"" + whole + "\" is not in the vocabulary";
  merges.set(static_cast<std::int32_t>(left_id), static_cast<std::int32_t>(right_id), static_cast<std::int32_t>(rank),
             static_cast<std::int32_t>(id));
  return {};
}

Result<MergeTable> read_merges(const JsonField& list, const Vocabulary& vocabulary) {
  HS_ASSIGN(const std::size_t size, list.array_size());
  MergeTable merges;
  merges.reserve(size);
  for (std::size_t rank = 0; rank < size; ++rank) {
    HS_ASSIGN(const auto pair, read_merge(list, rank));
    const std::string wrong = add_merge(vocabulary, pair.first, pair.second, rank, merges);
    if (wrong.empty()) continue;
    HS_ASSIGN(const JsonField field, list.at(rank));
    return field.error(ErrorCode::corrupt, wrong);
  }
  return merges;
}

Status read_bpe(const JsonField& model, PipelineParts& parts) {
  HS_ASSIGN(const JsonField vocab, model.at("vocab"));
  HS_ASSIGN(const JsonField merge_list, model.at("merges"));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    HS_ASSIGN(const std::string affix, model.string(key, ""));
    if (affix.empty()) continue;
    HS_ASSIGN(const JsonField field, model.at(key));
    return field.error(ErrorCode::unsupported, "is not supported");
  }
  HS_ASSIGN(parts.vocabulary, read_vocab_object(vocab));
  HS_ASSIGN(MergeTable merges, read_merges(merge_list, *parts.vocabulary));
  BpeOptions options;
  HS_ASSIGN(const std::string unk, model.string("unk_token", ""));
  if (!unk.empty()) options.unk = parts.vocabulary->find(unk);
  HS_ASSIGN(options.fuse_unk, model.boolean("fuse_unk", false));
  HS_ASSIGN(options.byte_fallback, model.boolean("byte_fallback", false));
  HS_ASSIGN(options.ignore_merges, model.boolean("ignore_merges", false));
  if (options.unk >= 0) parts.unk = options.unk;
  parts.model = make_bpe(*parts.vocabulary, std::move(merges), options);
  parts.kind = "BPE";
  return {};
}

Status read_unigram(const JsonField& model, PipelineParts& parts) {
  HS_ASSIGN(const JsonField vocab, model.at("vocab"));
  HS_ASSIGN(const std::size_t size, vocab.array_size());
  if (size == 0) return vocab.error(ErrorCode::corrupt, "is empty");
  if (size > static_cast<std::size_t>(largest_id)) return vocab.error(ErrorCode::corrupt, "is too long");
  parts.vocabulary = std::make_unique<Vocabulary>();
  parts.vocabulary->reserve(size);
  std::vector<double> scores;
  for (std::size_t id = 0; id < size; ++id) {
    const nlohmann::json& entry = vocab.node()[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      HS_ASSIGN(const JsonField field, vocab.at(id));
      return field.error(ErrorCode::corrupt, "should be a piece and its score");
    }
    parts.vocabulary->set(static_cast<std::int64_t>(id), entry[0].get_ref<const std::string&>());
    scores.push_back(entry[1].get<double>());
  }
  parts.listed = static_cast<std::int64_t>(size);
  UnigramOptions options;
  if (model.has("unk_id")) {
    HS_ASSIGN(options.unk, model.integer("unk_id"));
    HS_ASSIGN(const JsonField field, model.at("unk_id"));
    if (options.unk < 0 || options.unk >= static_cast<std::int64_t>(size)) {
      return field.error(ErrorCode::corrupt, "is outside the vocabulary");
    }
    parts.unk = options.unk;
  }
  HS_ASSIGN(options.byte_fallback, model.boolean("byte_fallback", false));
  parts.model = make_unigram(*parts.vocabulary, std::move(scores), options);
  parts.kind = "SentencePiece Unigram";
  return {};
}

Status read_words_model(const JsonField& model, bool pieces, PipelineParts& parts) {
  HS_ASSIGN(const JsonField vocab, model.at("vocab"));
  HS_ASSIGN(parts.vocabulary, read_vocab_object(vocab));
  HS_ASSIGN(const std::string unk, model.string("unk_token", pieces ? "[UNK]" : "<unk>"));
  WordPieceOptions options;
  options.unk = parts.vocabulary->find(unk);
  if (options.unk >= 0) parts.unk = options.unk;
  parts.kind = pieces ? "WordPiece" : "WordLevel";
  if (!pieces) {
    parts.model = make_word_level(*parts.vocabulary, options.unk);
    return {};
  }
  HS_ASSIGN(options.prefix, model.string("continuing_subword_prefix", "##"));
  if (model.has("max_input_chars_per_word")) {
    HS_ASSIGN(const std::int64_t longest, model.integer("max_input_chars_per_word"));
    options.longest = static_cast<std::size_t>(std::clamp<std::int64_t>(longest, 0, 1000));
  }
  parts.model = make_word_piece(*parts.vocabulary, std::move(options));
  return {};
}

Status read_model(const JsonField& root, PipelineParts& parts) {
  HS_ASSIGN(const JsonField model, root.at("model"));
  const bool has_merges = model.has("merges");
  HS_ASSIGN(const std::string type, model.string("type", has_merges ? "BPE" : "Unigram")); // old files name none
  if (type == "BPE") return read_bpe(model, parts);
  if (type == "Unigram") return read_unigram(model, parts);
  if (type == "WordLevel" || type == "WordPiece") return read_words_model(model, type == "WordPiece", parts);
  HS_ASSIGN(const JsonField field, model.at("type"));
  return field.error(ErrorCode::unsupported, "\"" + type + "\" is not supported");
}

Status read_added_tokens(const JsonField& root, PipelineParts& parts) {
  if (!root.has("added_tokens")) return {};
  HS_ASSIGN(const JsonField list, root.at("added_tokens"));
  HS_ASSIGN(const std::size_t size, list.array_size());
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < size; ++i) {
    HS_ASSIGN(const JsonField field, list.at(i));
    AddedToken token;
    HS_ASSIGN(token.content, field.string("content"));
    HS_ASSIGN(const std::int64_t id, field.integer("id"));
    HS_TRY(check_id(field, id, token.content));
    if (!seen.insert(id).second) {
      return field.error(ErrorCode::corrupt, "another added token has the id " + std::to_string(id) + " too");
    }
    HS_ASSIGN(token.special, field.boolean("special", false));
    HS_ASSIGN(token.normalized, field.boolean("normalized", !token.special));
    HS_ASSIGN(token.single_word, field.boolean("single_word", false));
    HS_ASSIGN(token.lstrip, field.boolean("lstrip", false));
    HS_ASSIGN(token.rstrip, field.boolean("rstrip", false));
    const std::int64_t given = add_token(parts, token); // the tokenizers library, too, uses the content
    if (given != id) {
      log::warning(field
                       .error(ErrorCode::mismatch, "\"" + token.content + "\" has the id " + std::to_string(given) +
                                                       ", not " + std::to_string(id))
                       .to_string());
    }
  }
  return {};
}

// Reads root[key] with read(field) when it is there.
template <typename Read> Status read_part(const JsonField& root, const char* key, Read read) {
  if (!root.has(key)) return {};
  HS_ASSIGN(const JsonField field, root.at(key));
  return read(field);
}

} // namespace

Result<PipelineParts> read_tokenizer_json(const std::string& path) {
  HS_ASSIGN(const nlohmann::json document, read_json_object(path));
  const JsonField root(document, path);
  PipelineParts parts;
  parts.file = path;
  HS_TRY(read_model(root, parts));
  HS_TRY(read_part(root, "normalizer", [&](const JsonField& f) { return read_normalizer(f, parts.normalizers); }));
  HS_TRY(read_part(root, "pre_tokenizer",
                   [&](const JsonField& f) { return read_pre_tokenizer(f, parts.pre_tokenizers); }));
  HS_TRY(
      read_part(root, "decoder", [&](const JsonField& f) { return read_decoder(f, parts.decoders, parts.spelling); }));
  HS_TRY(read_part(root, "post_processor", [&](const JsonField& f) { return read_post_processor(f, parts); }));
  HS_TRY(read_added_tokens(root, parts));
  if (parts.kind == "BPE" && parts.spelling == Spelling::byte_level) parts.kind = "byte-level BPE";
  if (parts.kind == "BPE" && parts.spelling == Spelling::metaspace) parts.kind = "SentencePiece BPE";
  return parts;
}

Result<PipelineParts> read_vocab_and_merges(const std::string& vocab_path, const std::string& merges_path) {
  HS_ASSIGN(const nlohmann::json document, read_json_object(vocab_path));
  HS_ASSIGN(const std::string text, read_regular_file(merges_path));
  PipelineParts parts;
  HS_ASSIGN(parts.vocabulary, read_vocab_object(JsonField(document, vocab_path, "(root)")));
  MergeTable merges;
  std::size_t rank = 0;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    const std::size_t space = line.find(' ');
    const std::string where = "line " + std::to_string(number);
    if (space == std::string_view::npos) {
      return make_error(ErrorCode::corrupt, "should be two pieces", merges_path, where);
    }
    const std::string wrong =
        add_merge(*parts.vocabulary, line.substr(0, space), line.substr(space + 1), rank++, merges);
    if (!wrong.empty()) return make_error(ErrorCode::corrupt, wrong, merges_path, where);
  }
  parts.file = vocab_path;
  parts.model = make_bpe(*parts.vocabulary, std::move(merges), {});
  HS_ASSIGN(auto split, split_byte_level(false, true));
  parts.pre_tokenizers.push_back(std::move(split));
  parts.decoders.push_back(decode_byte_level());
  parts.spelling = Spelling::byte_level;
  parts.kind = "byte-level BPE";
  return parts;
}

} // namespace headscope::text
