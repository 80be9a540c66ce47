// SPDX-License-Identifier: GPL-3.0-or-later
// What the clean and the corrupt prompts of a chunk begin with in common: no sender writes anything else there, so
// those positions are run once, as keys and values that the rest attends to.
#pragma once

#include "core/circuits/node_outputs.h"

namespace headscope {

struct SharedPrefix {
  PairChunk rest; // the chunk without its first positions
  KvCache keys;   // of those positions, a row a pair; empty where there are none
  const KvCache* cache() const { return keys.length() > 0 ? &keys : nullptr; }
  // The same for `copies` of the rest, one behind the other.
  KvCache repeated(std::int64_t copies) const;
};

// Leaves at least the last token of every prompt. Without corrupt prompts nothing is shared.
Result<SharedPrefix> share_prefix(const Engine& engine, const PairChunk& chunk, const CancelToken& cancel);

// A batch `copies` times, one behind the other.
TokenBatch repeated(const TokenBatch& batch, std::int64_t copies);

} // namespace headscope
