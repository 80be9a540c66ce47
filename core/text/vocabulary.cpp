// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/vocabulary.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace headscope::text {

namespace {

std::uint32_t hash_of(std::string_view text) {
  std::uint64_t hash = 0x9E3779B97F4A7C15ULL ^ text.size();
  const char* data = text.data();
  std::size_t left = text.size();
  while (left > 0) {
    std::uint64_t chunk = 0;
    const std::size_t take = std::min<std::size_t>(left, 8);
    std::memcpy(&chunk, data, take);
    hash = (hash ^ chunk) * 0xD6E8FEB86659FD93ULL;
    hash ^= hash >> 32;
    data += take;
    left -= take;
  }
  return static_cast<std::uint32_t>(hash ^ (hash >> 29));
}

constexpr std::size_t block_size = std::size_t{1} << 18;

} // namespace

std::string_view Vocabulary::store(std::string_view piece) {
  if (piece.empty()) return std::string_view("", 0);
  if (arena_.empty() || arena_.back().capacity() - arena_.back().size() < piece.size()) {
    arena_.emplace_back();
    arena_.back().reserve(std::max(block_size, piece.size()));
  }
  auto& block = arena_.back();
  const std::size_t begin = block.size();
  block.insert(block.end(), piece.begin(), piece.end()); // never beyond the capacity, so never moved
  return {block.data() + begin, piece.size()};
}

std::size_t Vocabulary::probe(std::string_view piece, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].id >= 0) {
    if (slots_[at].hash == hash && pieces_[static_cast<std::size_t>(slots_[at].id)] == piece) break;
    at = (at + 1) & mask;
  }
  return at;
}

void Vocabulary::grow(std::size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    std::size_t at = slot.hash & (slots - 1);
    while (slots_[at].id >= 0)
      at = (at + 1) & (slots - 1);
    slots_[at] = slot;
  }
}

void Vocabulary::reserve(std::size_t count) {
  pieces_.reserve(count);
  std::size_t slots = 64;
  while (slots < count * 2)
    slots *= 2;
  if (slots > slots_.size()) grow(slots);
}

void Vocabulary::set(std::int64_t id, std::string_view piece) {
  if (slots_.empty() || static_cast<std::size_t>(count_ + 1) * 2 > slots_.size()) {
    grow(std::max<std::size_t>(64, slots_.size() * 2));
  }
  if (id >= limit()) pieces_.resize(static_cast<std::size_t>(id) + 1);
  const std::string_view stored = store(piece);
  const std::uint32_t hash = hash_of(stored);
  // Finds the slot before the piece of this id changes, since slots compare through it.
  Slot& slot = slots_[probe(stored, hash)];
  if (slot.id < 0) ++count_;
  slot = {hash, static_cast<std::int32_t>(id)};
  pieces_[static_cast<std::size_t>(id)] = stored;
}

void Vocabulary::find_all(std::span<const std::string_view> pieces, std::span<std::int64_t> ids) const {
  constexpr std::size_t most = 32;
  std::array<std::uint32_t, most> hashes;
  if (slots_.empty()) return std::fill(ids.begin(), ids.end(), -1);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t begin = 0; begin < pieces.size(); begin += most) {
    const std::size_t count = std::min(most, pieces.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash_of(pieces[begin + i]);
      __builtin_prefetch(&slots_[hashes[i] & mask]);
    }
    // Prefetches what a slot of that hash leads to: its piece, and the piece's bytes.
    for (std::size_t i = 0; i < count; ++i)
      if (const Slot& slot = slots_[hashes[i] & mask]; slot.id >= 0 && slot.hash == hashes[i])
        __builtin_prefetch(&pieces_[static_cast<std::size_t>(slot.id)]);
    for (std::size_t i = 0; i < count; ++i)
      if (const Slot& slot = slots_[hashes[i] & mask]; slot.id >= 0 && slot.hash == hashes[i])
        __builtin_prefetch(pieces_[static_cast<std::size_t>(slot.id)].data());
    for (std::size_t i = 0; i < count; ++i)
      ids[begin + i] = slots_[probe(pieces[begin + i], hashes[i])].id;
  }
}

std::int64_t Vocabulary::find(std::string_view piece) const {
  if (slots_.empty()) return -1;
  return slots_[probe(piece, hash_of(piece))].id;
}

} // namespace headscope::text
