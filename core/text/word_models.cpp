// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/word_models.h"

#include <utility>

#include "core/text/unicode.h"

namespace headscope::text {

namespace {

Status add_unknown(std::int64_t unk, std::vector<std::int64_t>& ids) {
  if (unk < 0)
    return make_error(ErrorCode::invalid_argument,
                      "the text holds a word outside the vocabulary, which has no unknown token");
  ids.push_back(unk);
  return {};
}

class WordLevel : public TokenModel {
public:
  WordLevel(const Vocabulary& vocabulary, std::int64_t unk) : vocabulary_(vocabulary), unk_(unk) {}
  Status encode(std::string_view piece, std::vector<std::int64_t>& ids) const override {
    const std::int64_t id = vocabulary_.find(piece);
    if (id < 0) return add_unknown(unk_, ids);
    ids.push_back(id);
    return {};
  }

private:
  const Vocabulary& vocabulary_;
  std::int64_t unk_;
};

class WordPiece : public TokenModel {
public:
  WordPiece(const Vocabulary& vocabulary, WordPieceOptions options)
      : vocabulary_(vocabulary), options_(std::move(options)) {}

  Status encode(std::string_view piece, std::vector<std::int64_t>& ids) const override {
    std::size_t characters = 0;
    for (const char c : piece)
      characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    const std::size_t before = ids.size();
    if (characters <= options_.longest && cut(piece, ids)) return {};
    ids.resize(before);
    return add_unknown(options_.unk, ids);
  }

private:
  // Returns false when a part matches no piece, which makes the whole word unknown.
  bool cut(std::string_view word, std::vector<std::int64_t>& ids) const {
    for (std::size_t at = 0; at < word.size();) {
      std::int64_t found = -1;
      std::size_t end = word.size();
      while (end > at) {
        std::string part = at > 0 ? options_.prefix : std::string();
        part += word.substr(at, end - at);
        found = vocabulary_.find(part);
        if (found >= 0) break;
        end -= last_code_point(word.substr(at, end - at)).length;
      }
      if (found < 0) return false;
      ids.push_back(found);
      at = end;
    }
    return true;
  }

  const Vocabulary& vocabulary_;
  WordPieceOptions options_;
};

} // namespace

std::unique_ptr<TokenModel> make_word_level(const Vocabulary& vocabulary, std::int64_t unk) {
  return std::make_unique<WordLevel>(vocabulary, unk);
}
std::unique_ptr<TokenModel> make_word_piece(const Vocabulary& vocabulary, WordPieceOptions options) {
  return std::make_unique<WordPiece>(vocabulary, std::move(options));
}

} // namespace headscope::text
