// SPDX-License-Identifier: GPL-3.0-or-later
// The common beginning of a chunk's clean and corrupt prompts. No sender's output differs there, so those positions are
// run once, as keys and values that the rest attends to.
#pragma once

#include "core/circuits/node_outputs.h"

namespace headscope {

struct SharedPrefix {
  PairChunk rest; // the chunk without its first positions
  KvCache keys;   // of those positions, a row a pair; empty where there are none
  const KvCache* cache() const { return keys.length() > 0 ? &keys : nullptr; }
  // Repeats the prefix for `copies` of the rest, one after the other.
  KvCache repeated(std::int64_t copies) const;
};

// Leaves at least the last token of every prompt to be run. Without corrupt prompts nothing is shared.
Result<SharedPrefix> share_prefix(const Engine& engine, const PairChunk& chunk, const CancelToken& cancel);

// Repeats a batch `copies` times, one after the other.
TokenBatch repeated(const TokenBatch& batch, std::int64_t copies);

} // namespace headscope
