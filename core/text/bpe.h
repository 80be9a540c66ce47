// SPDX-License-Identifier: GPL-3.0-or-later
// Byte-pair encoding: the pair with the lowest rank is merged first, the leftmost among equals.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/text/token_model.h"

namespace headscope::text {

struct BpeOptions {
  std::int64_t unk = -1;      // id for characters outside the vocabulary; -1: they vanish
  bool fuse_unk = false;      // neighbouring unknown characters become one unk
  bool byte_fallback = false; // characters outside the vocabulary become "<0xAB>" pieces where those exist
  bool ignore_merges = false; // a piece that is in the vocabulary is one id, whatever the merges say
};

// Maps pairs of ids to the rank and the id of the merged piece.
class MergeTable {
public:
  struct Entry {
    std::uint64_t key = ~std::uint64_t{0}; // left << 32 | right; all ones: free
    std::int32_t rank = 0;
    std::int32_t id = -1;
  };
  void reserve(std::size_t count);
  void set(std::int32_t left, std::int32_t right, std::int32_t rank, std::int32_t id); // a later rank replaces
  const Entry* find(std::int32_t left, std::int32_t right) const;                      // null: no such merge

private:
  std::size_t probe(std::uint64_t key) const;
  std::vector<Entry> entries_ = std::vector<Entry>(64);
  std::size_t count_ = 0;
};

std::unique_ptr<TokenModel> make_bpe(const Vocabulary& vocabulary, MergeTable merges, BpeOptions options);

enum class EqualScores {
  by_length, // the longer left part first, then the longer right part: transformers
  by_place,  // the leftmost pair of the text first: SentencePiece and llama.cpp
};

// The merges that a vocabulary without a merge list implies: every split of a piece into two others, best score first.
// scores[i] belongs to ids[i].
MergeTable merges_from_vocabulary(const Vocabulary& vocabulary, const std::vector<std::int64_t>& ids,
                                  const std::vector<double>& scores, EqualScores equal);

} // namespace headscope::text
