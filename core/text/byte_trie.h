// SPDX-License-Identifier: GPL-3.0-or-later
// A trie over bytes in one flat hash table: finds all entries that start at a given position of a text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace headscope::text {

class ByteTrie {
public:
  static constexpr std::int32_t none = -1;

  void insert(std::string_view key, std::int32_t value);

  std::int32_t root() const { return 0; }
  // The node below `node` along `byte`, or none.
  std::int32_t next(std::int32_t node, char byte) const;
  // Value of the key that ends at `node`, or none.
  std::int32_t value(std::int32_t node) const { return values_[static_cast<std::size_t>(node)]; }

private:
  struct Edge {
    std::uint64_t key = 0; // (node << 8 | byte) + 1; 0: free
    std::int32_t child = none;
  };
  std::size_t probe(std::uint64_t key) const;
  void grow();

  std::vector<Edge> edges_ = std::vector<Edge>(64);
  std::vector<std::int32_t> values_ = {none};
};

} // namespace headscope::text
