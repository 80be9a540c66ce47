// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/byte_trie.h"

namespace headscope::text {

namespace {
std::uint64_t edge_key(std::int32_t node, char byte) {
  return ((static_cast<std::uint64_t>(node) << 8) | static_cast<unsigned char>(byte)) + 1;
}
} // namespace

std::size_t ByteTrie::probe(std::uint64_t key) const {
  const std::size_t mask = edges_.size() - 1;
  std::uint64_t hash = key * 0x9E3779B97F4A7C15ULL;
  std::size_t at = (hash ^ (hash >> 32)) & mask;
  while (edges_[at].key != 0 && edges_[at].key != key)
    at = (at + 1) & mask;
  return at;
}

void ByteTrie::grow() {
  std::vector<Edge> old(edges_.size() * 2);
  old.swap(edges_);
  for (const Edge& edge : old) {
    if (edge.key != 0) edges_[probe(edge.key)] = edge;
  }
}

void ByteTrie::insert(std::string_view key, std::int32_t value) {
  std::int32_t node = root();
  for (const char byte : key) {
    if (values_.size() * 2 > edges_.size()) grow();
    Edge& edge = edges_[probe(edge_key(node, byte))];
    if (edge.key == 0) {
      edge = {edge_key(node, byte), static_cast<std::int32_t>(values_.size())};
      values_.push_back(none);
    }
    node = edge.child;
  }
  values_[static_cast<std::size_t>(node)] = value;
}

std::int32_t ByteTrie::next(std::int32_t node, char byte) const { return edges_[probe(edge_key(node, byte))].child; }

} // namespace headscope::text
