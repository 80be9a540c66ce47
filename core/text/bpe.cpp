// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/bpe.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <queue>

#include "core/text/unicode.h"

namespace headscope::text {

namespace {
std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) | static_cast<std::uint32_t>(right);
}
constexpr std::uint64_t free_key = ~std::uint64_t{0};
} // namespace

std::size_t MergeTable::probe(std::uint64_t key) const {
  const std::size_t mask = entries_.size() - 1;
  const std::uint64_t hash = (key ^ (key >> 32)) * 0x9E3779B97F4A7C15ULL + key * 0xD6E8FEB86659FD93ULL;
  std::size_t at = (hash ^ (hash >> 31)) & mask;
  while (entries_[at].key != free_key && entries_[at].key != key)
    at = (at + 1) & mask;
  return at;
}

void MergeTable::reserve(std::size_t count) {
  std::size_t size = entries_.size();
  while (size < count * 2)
    size *= 2;
  if (size == entries_.size()) return;
  std::vector<Entry> old(size);
  old.swap(entries_);
  for (const Entry& entry : old) {
    if (entry.key != free_key) entries_[probe(entry.key)] = entry;
  }
}

void MergeTable::set(std::int32_t left, std::int32_t right, std::int32_t rank, std::int32_t id) {
  reserve(count_ + 1);
  Entry& entry = entries_[probe(pair_key(left, right))];
  if (entry.key == free_key) ++count_;
  entry = {pair_key(left, right), rank, id};
}

const MergeTable::Entry* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Entry& entry = entries_[probe(pair_key(left, right))];
  return entry.key == free_key ? nullptr : &entry;
}

namespace {

constexpr std::int32_t no_rank = INT32_MAX;

struct Symbol {
  std::int32_t id = 0;
  std::int32_t previous = -1;
  std::int32_t next = -1;
  std::int32_t rank = no_rank; // of the merge with the next symbol
  std::int32_t merged = -1;    // what that merge makes
};

class Bpe : public TokenModel {
public:
  Bpe(const Vocabulary& vocabulary, MergeTable merges, BpeOptions options)
      : vocabulary_(vocabulary), merges_(std::move(merges)), options_(options) {
    for (char32_t c = 0; c < single_.size(); ++c) {
      std::string text;
      append_utf8(c, text);
      single_[c] = static_cast<std::int32_t>(vocabulary_.find(text));
    }
    for (int byte = 0; byte < 256; ++byte) {
      constexpr char digits[] = "0123456789ABCDEF";
      const std::string piece = std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">";
      byte_pieces_[static_cast<std::size_t>(byte)] = static_cast<std::int32_t>(vocabulary_.find(piece));
    }
  }

  Status encode(std::string_view piece, std::vector<std::int64_t>& ids) const override {
    if (options_.ignore_merges) {
      const std::int64_t whole = vocabulary_.find(piece);
      if (whole >= 0) {
        ids.push_back(whole);
        return {};
      }
    }
    if (piece.size() > INT32_MAX / 2) {
      return make_error(ErrorCode::invalid_argument, "a text over one gigabyte without a break cannot be tokenized");
    }
    thread_local std::vector<Symbol> symbols; // kept to spare an allocation a word
    symbols.clear();
    add_symbols(piece, symbols);
    merge(symbols);
    for (std::int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[static_cast<std::size_t>(at)].next) {
      ids.push_back(symbols[static_cast<std::size_t>(at)].id);
    }
    if (symbols.capacity() > 1 << 16) std::vector<Symbol>().swap(symbols);
    return {};
  }

private:
  static void add(std::int32_t id, std::vector<Symbol>& symbols) {
    const auto at = static_cast<std::int32_t>(symbols.size());
    if (at > 0) symbols.back().next = at;
    symbols.push_back({id, at - 1, -1, no_rank, -1});
  }

  bool add_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
    for (const char c : character) {
      if (byte_pieces_[static_cast<unsigned char>(c)] < 0) return false;
    }
    for (const char c : character)
      add(byte_pieces_[static_cast<unsigned char>(c)], symbols);
    return true;
  }

  void add_symbols(std::string_view piece, std::vector<Symbol>& symbols) const {
    bool pending_unk = false; // byte pieces do not end a pending unk: so does the tokenizers library
    while (!piece.empty()) {
      const CodePoint c = first_code_point(piece);
      const std::string_view character = piece.substr(0, c.length);
      piece.remove_prefix(c.length);
      const std::int64_t id = c.value < single_.size() ? single_[c.value] : vocabulary_.find(character);
      if (id >= 0) {
        if (pending_unk) add(static_cast<std::int32_t>(options_.unk), symbols);
        pending_unk = false;
        add(static_cast<std::int32_t>(id), symbols);
      } else if (!(options_.byte_fallback && add_bytes(character, symbols)) && options_.unk >= 0) {
        if (pending_unk && !options_.fuse_unk) add(static_cast<std::int32_t>(options_.unk), symbols);
        pending_unk = true;
      }
    }
    if (pending_unk) add(static_cast<std::int32_t>(options_.unk), symbols);
  }

  using Queue = std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>>; // rank, then place

  void rank_pair(std::vector<Symbol>& symbols, std::int32_t at, Queue& queue) const {
    Symbol& symbol = symbols[static_cast<std::size_t>(at)];
    symbol.rank = no_rank;
    if (symbol.next < 0) return;
    const auto* found = merges_.find(symbol.id, symbols[static_cast<std::size_t>(symbol.next)].id);
    if (!found) return;
    symbol.rank = found->rank;
    symbol.merged = found->id;
    queue.push((static_cast<std::uint64_t>(found->rank) << 32) | static_cast<std::uint32_t>(at));
  }

  void merge(std::vector<Symbol>& symbols) const {
    if (symbols.size() < 2) return;
    Queue queue;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
      rank_pair(symbols, static_cast<std::int32_t>(i), queue);
    while (!queue.empty()) {
      const auto rank = static_cast<std::int32_t>(queue.top() >> 32);
      const auto at = static_cast<std::int32_t>(queue.top() & 0xFFFFFFFF);
      queue.pop();
      Symbol& symbol = symbols[static_cast<std::size_t>(at)];
      if (symbol.rank != rank) continue; // one of the two was merged meanwhile
      Symbol& right = symbols[static_cast<std::size_t>(symbol.next)];
      symbol.id = symbol.merged;
      symbol.next = right.next;
      right.rank = no_rank;
      if (right.next >= 0) symbols[static_cast<std::size_t>(right.next)].previous = at;
      rank_pair(symbols, at, queue);
      if (symbol.previous >= 0) rank_pair(symbols, symbol.previous, queue);
    }
  }

  const Vocabulary& vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<std::int32_t, 0x3000> single_{}; // ids of the common one-character pieces
  std::array<std::int32_t, 256> byte_pieces_{};
};

struct Cut {
  double score = 0;
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t left_length = 0; // characters
  std::int32_t right_length = 0;
  std::int32_t id = 0;
};

// Finds the splits of one piece after another.
class Cutter {
public:
  Cutter(const Vocabulary& vocabulary, std::vector<Cut>& cuts) : vocabulary_(vocabulary), cuts_(cuts) {}

  void add(std::int64_t id, double score) {
    const std::string_view piece = vocabulary_.piece(id);
    cut_after_characters(piece);
    const auto length = static_cast<std::int32_t>(lefts_.size()) + 1;
    look_up(lefts_, left_ids_);
    rights_.clear();
    left_lengths_.clear();
    for (std::size_t i = 0; i < lefts_.size(); ++i) {
      if (left_ids_[i] < 0) continue;
      rights_.push_back(piece.substr(lefts_[i].size()));
      left_lengths_.push_back(static_cast<std::int32_t>(i) + 1);
    }
    look_up(rights_, right_ids_);
    const std::size_t first = cuts_.size();
    for (std::size_t i = 0; i < rights_.size(); ++i) {
      if (right_ids_[i] < 0) continue;
      const std::int32_t left = left_lengths_[i];
      cuts_.push_back({score, static_cast<std::int32_t>(left_ids_[static_cast<std::size_t>(left) - 1]),
                       static_cast<std::int32_t>(right_ids_[i]), left, length - left, static_cast<std::int32_t>(id)});
    }
    std::sort(cuts_.begin() + static_cast<std::ptrdiff_t>(first), cuts_.end(),
              [](const Cut& a, const Cut& b) { return std::pair(a.left, a.right) < std::pair(b.left, b.right); });
  }

private:
  void cut_after_characters(std::string_view piece) {
    lefts_.clear();
    for (std::size_t at = 1; at < piece.size(); ++at)
      if ((static_cast<unsigned char>(piece[at]) & 0xC0) != 0x80) lefts_.push_back(piece.substr(0, at));
  }
  void look_up(const std::vector<std::string_view>& parts, std::vector<std::int64_t>& ids) const {
    ids.resize(parts.size());
    vocabulary_.find_all(parts, ids);
  }

  const Vocabulary& vocabulary_;
  std::vector<Cut>& cuts_;
  std::vector<std::string_view> lefts_, rights_;   // the parts before and, where that is a piece, after each cut
  std::vector<std::int64_t> left_ids_, right_ids_; // of those
  std::vector<std::int32_t> left_lengths_;         // characters before each of rights_
};

} // namespace

std::unique_ptr<TokenModel> make_bpe(const Vocabulary& vocabulary, MergeTable merges, BpeOptions options) {
  return std::make_unique<Bpe>(vocabulary, std::move(merges), options);
}

MergeTable merges_from_vocabulary(const Vocabulary& vocabulary, const std::vector<std::int64_t>& ids,
                                  const std::vector<double>& scores, EqualScores equal) {
  std::vector<Cut> cuts;
  cuts.reserve(ids.size() * 2);
  Cutter cutter(vocabulary, cuts);
  for (std::size_t i = 0; i < ids.size(); ++i)
    cutter.add(ids[i], scores[i]);
  const auto better = [](const Cut& a, const Cut& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.left_length != b.left_length) return a.left_length > b.left_length;
    return a.right_length > b.right_length;
  };
  std::stable_sort(cuts.begin(), cuts.end(), better);
  MergeTable merges;
  merges.reserve(cuts.size());
  std::int32_t rank = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    if (i > 0 && (equal == EqualScores::by_length || cuts[i].score != cuts[i - 1].score)) ++rank;
    merges.set(cuts[i].left, cuts[i].right, rank, cuts[i].id);
  }
  return merges;
}

} // namespace headscope::text
