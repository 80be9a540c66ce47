// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/pipeline.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/text/unicode.h"

namespace headscope::text {

std::int64_t token_id(const PipelineParts& parts, std::string_view content) {
  if (const AddedToken* token = parts.added.find(content)) return token->id;
  return parts.vocabulary->find(content);
}

std::int64_t add_token(PipelineParts& parts, AddedToken token) {
  token.id = token_id(parts, token.content);
  if (token.id < 0) token.id = std::max({parts.vocabulary->count(), parts.listed, parts.added.limit()});
  parts.added.add(token);
  return token.id;
}

namespace {

constexpr std::string_view metaspace = "\xE2\x96\x81";

// Caches words of one segment that were encoded already.
class WordCache {
public:
  struct Word {
    std::size_t begin = 0; // into the ids of the call
    std::size_t count = 0;
  };
  static bool fits(std::size_t bytes) { return bytes <= 64; }
  std::unordered_map<std::string_view, Word> words;
};

class Pipeline : public Tokenizer {
public:
  explicit Pipeline(PipelineParts parts) : parts_(std::move(parts)) {
    parts_.added.index([this](std::string content) {
      for (const auto& normalizer : parts_.normalizers) {
        if (!normalizer->apply(content, most_normalized(content.size())).ok()) break;
      }
      return content;
    });
  }

  Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions options) const override {
    auto ids = encode_text(utf8, options);
    if (ids.ok() || !ids.error().file.empty()) return ids;
    Error error = std::move(ids).error();
    error.file = parts_.file;
    return error;
  }

  std::string decode(std::span<const std::int64_t> ids, bool skip_special) const override {
    std::vector<std::string> pieces;
    // A special token is skipped whatever its spelling; tokenizers 0.23 keeps one whose normalized spelling differs.
    for (const std::int64_t id : ids) {
      if (!known(id) || (skip_special && is_special(id))) continue;
      pieces.push_back(piece(id));
    }
    // A decoder fails only for want of memory in a regular expression; what is decoded so far is then shown.
    for (const auto& decoder : parts_.decoders) {
      if (!decoder->apply(pieces).ok()) break;
    }
    std::string out;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0 && parts_.decoders.empty()) out += ' ';
      out += pieces[i];
    }
    return out;
  }

  std::string piece(std::int64_t id) const override {
    if (const AddedToken* token = parts_.added.find(id)) return token->piece;
    return std::string(parts_.vocabulary->piece(id));
  }

  std::string text(std::int64_t id) const override {
    const AddedToken* token = parts_.added.find(id);
    if (token && token->special) return token->content;
    std::string out = token ? token->content : piece(id);
    if (parts_.spelling == Spelling::plain) return out;
    if (parts_.spelling == Spelling::byte_level) return byte_level_bytes(out);
    const int byte = byte_of_piece(out);
    if (byte >= 0) return std::string(1, static_cast<char>(byte));
    replace_all(out, metaspace, " ");
    return out;
  }

  std::optional<std::int64_t> id_of_piece(std::string_view piece) const override {
    const std::int64_t id = token_id(parts_, piece);
    return id < 0 ? std::nullopt : std::optional(id);
  }

  std::int64_t vocab_size() const override { return std::max(parts_.vocabulary->limit(), parts_.added.limit()); }
  std::optional<std::int64_t> bos() const override { return parts_.bos; }
  std::optional<std::int64_t> eos() const override { return parts_.eos; }
  std::vector<std::int64_t> end_ids() const override {
    return parts_.ends.empty() ? Tokenizer::end_ids() : parts_.ends;
  }
  std::optional<std::int64_t> unk() const override { return parts_.unk; }
  std::optional<std::int64_t> pad() const override { return parts_.pad; }
  bool is_special(std::int64_t id) const override {
    const AddedToken* token = parts_.added.find(id);
    return token && token->special;
  }
  const std::string& chat_template() const override { return parts_.chat_template; }
  std::string chat_template_file() const override { return parts_.chat_file; }
  std::string kind() const override { return parts_.kind; }

private:
  Result<std::vector<std::int64_t>> encode_text(std::string_view utf8, TokenizeOptions options) const {
    std::string storage;
    const std::string_view text = valid_utf8(utf8, storage);
    std::vector<std::int64_t> ids;
    std::size_t left = most_normalized(text.size()); // of bytes that the normalizers may make
    if (options.add_special) ids = parts_.prefix;
    for (const auto& part : parts_.added.split(text, false, options.parse_special)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      std::string normalized(text.substr(part.span.begin, part.span.end - part.span.begin));
      for (const auto& normalizer : parts_.normalizers)
        HS_TRY(normalizer->apply(normalized, left));
      left -= std::min(left, normalized.size());
      HS_TRY(encode_normalized(normalized, part.span.begin == 0, options.parse_special, ids));
    }
    if (options.add_special) ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
    return ids;
  }

  bool known(std::int64_t id) const { return parts_.vocabulary->has(id) || parts_.added.find(id); }

  Status encode_normalized(std::string_view normalized, bool at_start, bool parse_special,
                           std::vector<std::int64_t>& ids) const {
    for (const auto& part : parts_.added.split(normalized, true, parse_special)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      Segment segment;
      segment.text = normalized.substr(part.span.begin, part.span.end - part.span.begin);
      segment.spans = {{0, segment.text.size()}};
      segment.at_start = at_start && part.span.begin == 0;
      for (const auto& step : parts_.pre_tokenizers)
        HS_TRY(step->apply(segment));
      HS_TRY(encode_words(segment, ids));
    }
    return {};
  }

  Status encode_words(const Segment& segment, std::vector<std::int64_t>& ids) const {
    WordCache cache;
    const bool worth = segment.spans.size() > 16;
    for (const Span& span : segment.spans) {
      const std::string_view word = segment.view(span);
      if (!worth || !WordCache::fits(word.size())) {
        HS_TRY(parts_.model->encode(word, ids));
        continue;
      }
      const auto [entry, fresh] = cache.words.try_emplace(word, WordCache::Word{ids.size(), 0});
      if (fresh) {
        HS_TRY(parts_.model->encode(word, ids));
        entry->second.count = ids.size() - entry->second.begin;
        continue;
      }
      for (std::size_t i = 0; i < entry->second.count; ++i)
        ids.push_back(ids[entry->second.begin + i]);
    }
    return {};
  }

  PipelineParts parts_;
};

} // namespace

std::unique_ptr<Tokenizer> make_pipeline(PipelineParts parts) { return std::make_unique<Pipeline>(std::move(parts)); }

} // namespace headscope::text
