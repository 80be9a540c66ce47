// SPDX-License-Identifier: GPL-3.0-or-later
// Pieces and their ids, with a lookup fast enough to derive half a million merges while loading.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headscope::text {

class Vocabulary {
public:
  // Reserves room for pieces of ids 0 ... count-1; more is added as needed.
  void reserve(std::size_t count);

  // Gives `id` this piece. A piece given twice keeps its last id, an id given twice its last piece.
  void set(std::int64_t id, std::string_view piece);

  std::int64_t find(std::string_view piece) const; // -1: no such piece
  // Finds ids[i] of pieces[i]. The table is larger than a CPU's caches, so several entries are prefetched at a time.
  void find_all(std::span<const std::string_view> pieces, std::span<std::int64_t> ids) const;
  bool has(std::int64_t id) const {
    return id >= 0 && id < limit() && pieces_[static_cast<std::size_t>(id)].data() != nullptr;
  }
  std::string_view piece(std::int64_t id) const { return has(id) ? pieces_[static_cast<std::size_t>(id)] : ""; }
  std::int64_t limit() const { return static_cast<std::int64_t>(pieces_.size()); } // largest id + 1
  std::int64_t count() const { return count_; }                                    // distinct pieces

private:
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = -1;
  };
  std::string_view store(std::string_view piece);
  std::size_t probe(std::string_view piece, std::uint32_t hash) const;
  void grow(std::size_t slots);

  std::deque<std::vector<char>> arena_; // blocks never move, so views stay valid
  std::vector<std::string_view> pieces_;
  std::vector<Slot> slots_;
  std::int64_t count_ = 0;
};

} // namespace headscope::text
