// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/unigram.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/text/byte_trie.h"
#include "core/text/unicode.h"

namespace headscope::text {

namespace {

constexpr double unk_penalty = 10.0; // SentencePiece's

struct Best {
  double score = 0;
  std::int64_t id = -1;
  std::size_t begin = 0;
  bool reached = false;
};

class Unigram : public TokenModel {
public:
  Unigram(const Vocabulary& vocabulary, std::vector<double> scores, UnigramOptions options)
      : vocabulary_(vocabulary), scores_(std::move(scores)), options_(options) {
    double lowest = 0;
    for (std::int64_t id = 0; id < static_cast<std::int64_t>(scores_.size()); ++id) {
      const std::string_view piece = vocabulary_.piece(id);
      lowest = id == 0 ? scores_[0] : std::min(lowest, scores_[static_cast<std::size_t>(id)]);
      if (!piece.empty()) trie_.insert(piece, static_cast<std::int32_t>(vocabulary_.find(piece)));
    }
    unk_score_ = lowest - unk_penalty;
    for (int byte = 0; byte < 256; ++byte) {
      constexpr char digits[] = "0123456789ABCDEF";
      const std::string piece = std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">";
      byte_pieces_[static_cast<std::size_t>(byte)] = vocabulary_.find(piece);
    }
  }

  Status encode(std::string_view piece, std::vector<std::int64_t>& ids) const override {
    std::vector<Best> best(piece.size() + 1);
    for (std::size_t at = 0; at < piece.size(); at += first_code_point(piece.substr(at)).length) {
      if (!extend(piece, at, best)) {
        return make_error(ErrorCode::invalid_argument,
                          "the text holds a character outside the vocabulary, which has no unknown token");
      }
    }
    // Collected from the end; neighbouring unknown characters are one unknown text.
    std::vector<Span> spans;
    bool after_unk = false;
    for (std::size_t end = piece.size(); end > 0;) {
      const Best& node = best[end];
      const bool unk = node.id == options_.unk;
      if (unk && after_unk)
        spans.back().begin = node.begin;
      else
        spans.push_back({node.begin, end});
      after_unk = unk;
      end = node.begin;
    }
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      add(piece.substr(span->begin, span->end - span->begin), ids);
    }
    return {};
  }

private:
  struct Span {
    std::size_t begin;
    std::size_t end;
  };

  static void offer(Best& target, double score, std::int64_t id, std::size_t begin) {
    if (!target.reached || score > target.score) target = {score, id, begin, true};
  }

  bool extend(std::string_view piece, std::size_t at, std::vector<Best>& best) const {
    const double here = best[at].score;
    const std::size_t character = first_code_point(piece.substr(at)).length;
    bool single = false;
    std::int32_t node = trie_.root();
    for (std::size_t end = at; end < piece.size();) {
      node = trie_.next(node, piece[end++]);
      if (node == ByteTrie::none) break;
      const std::int32_t id = trie_.value(node);
      if (id == ByteTrie::none) continue;
      offer(best[end], scores_[static_cast<std::size_t>(id)] + here, id, at);
      single = single || end - at == character;
    }
    if (single) return true;
    if (options_.unk < 0) return false;
    offer(best[at + character], unk_score_ + here, options_.unk, at);
    return true;
  }

  void add(std::string_view text, std::vector<std::int64_t>& ids) const {
    const std::int64_t id = vocabulary_.find(text);
    if (id >= 0) {
      ids.push_back(id);
      return;
    }
    const auto byte_id = [&](char c) { return byte_pieces_[static_cast<unsigned char>(c)]; };
    if (options_.byte_fallback && std::all_of(text.begin(), text.end(), [&](char c) { return byte_id(c) >= 0; })) {
      for (const char c : text)
        ids.push_back(byte_id(c));
      return;
    }
    ids.push_back(options_.unk);
  }

  const Vocabulary& vocabulary_;
  std::vector<double> scores_;
  UnigramOptions options_;
  double unk_score_ = 0;
  ByteTrie trie_;
  std::array<std::int64_t, 256> byte_pieces_{};
};

} // namespace

std::unique_ptr<TokenModel> make_unigram(const Vocabulary& vocabulary, std::vector<double> scores,
                                         UnigramOptions options) {
  return std::make_unique<Unigram>(vocabulary, std::move(scores), options);
}

} // namespace headscope::text
