// SPDX-License-Identifier: GPL-3.0-or-later
// The keys that HiP attention visits (arXiv 2406.09827), chosen without computing all scores: for each block of queries
// the last `window` keys and `k` older ones, found by splitting runs of key blocks in halves and keeping the halves
// whose first block scores highest. Inputs and outputs, for the CPU (kernels/cpu) and the GPU (kernels/cuda) alike.
#pragma once

#include "kernels/sparse_attention.h"

namespace headscope::kernels {

struct HipOptions {
  std::int64_t k = 512;      // older keys of a query block, a multiple of block_k
  std::int64_t window = 128; // last keys, counted from the block's end; at least block_q
  std::int64_t block_q = 32, block_k = 2, sinks = 0;

  std::int64_t nodes() const { return k / block_k; }
  // The most runs of a block: sinks, one for each key block, the window.
  std::int64_t most_runs() const { return nodes() + 2; }
};

// A key block scores the largest q . k over every other query of the query block and all its keys that these see; one
// that none sees is below all others. Among equals the first of a list stays: first halves in the order of their runs,
// then second halves. Order of runs: at first by position, then by score.
//
// Runs of block i, numbered [batch, head, query block]: [first[i], last[i]), first[i] = i * most_runs().
struct HipKeys {
  KeyRun* runs = nullptr;
  std::int64_t *first = nullptr, *last = nullptr;
  std::int64_t* scored =
      nullptr; // of each block, added to what is there: products of queries and keys; null: not wanted
};

} // namespace headscope::kernels
