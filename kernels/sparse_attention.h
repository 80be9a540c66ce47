// SPDX-License-Identifier: GPL-3.0-or-later
// Softmax attention over some keys only, given as runs for blocks of queries: inputs and outputs, for the CPU
// (kernels/cpu) and the GPU (kernels/cuda) alike. The cost is that of the keys in the runs, not of all keys.
#pragma once

#include "kernels/attention_statistics.h"

namespace headscope::kernels {

struct KeyRun {
  std::int32_t begin = 0, end = 0; // slots [begin, end); may be empty
};

// The keys that blocks of queries visit: block `block` of a head has the runs [first[i], last[i]) with
// i = row * row_step + head * head_step + block, ascending and without overlap. A step of 0 shares them.
struct KeyRuns {
  const KeyRun* runs = nullptr;
  const std::int64_t *first = nullptr, *last = nullptr;
  std::int64_t row_step = 0, head_step = 0;
  std::int64_t block_q = 64; // queries of a block, counted from the first query
};

// Queries in another order, so that blocks can be made of any of them: the places [block * block_q, (block + 1) *
// block_q) of a list name the queries of a block, ascending, and behind them -1 where it has fewer. A list names every
// query once; that of a head begins at row * row_step + head * head_step.
struct QueryOrder {
  const std::int32_t* list = nullptr; // null: queries as they come
  std::int64_t places = 0;            // of a list: a multiple of block_q
  std::int64_t row_step = 0, head_step = 0;
};

struct SparseProblem {
  AttentionProblem scores; // q, k, and what full attention would let a query see
  const void* v = nullptr; // of the shape and element type of k
  HeadStrides v_strides;
  KeyRuns keys;
  // Where window > 0, a query sees of its block's keys only the first `sinks` of the text and the last `window` before
  // and at its own slot: what a sliding window needs within a block.
  std::int64_t sinks = 0, window = 0;
  QueryOrder order;
  std::int64_t per_slot = 1; // so many neighbouring queries stand at the same slot, the first at query_offset

  std::int64_t places() const { return order.list ? order.places : scores.queries; }
  std::int64_t blocks() const { return (places() + keys.block_q - 1) / keys.block_q; }
  // Heads of rows of the batch times blocks: the pieces that are independent of one another.
  std::int64_t pieces() const { return scores.batch * scores.heads * blocks(); }

  HEADSCOPE_HOST_DEVICE std::int64_t slot(std::int64_t query) const {
    return scores.variant.query_offset + query / per_slot;
  }
  HEADSCOPE_HOST_DEVICE bool sees(std::int64_t slot, std::int64_t key, std::int64_t key_begin) const {
    const bool in_window = window == 0 || key < key_begin + sinks || slot - key < window;
    return key <= slot && key >= scores.variant.first_key(slot, key_begin) && in_window;
  }
};

// Queries that see no key get zeros, and lse = -infinity. Everything is written.
struct SparseOutput {
  void* z = nullptr; // [batch, query, head, d_head] by z_strides, of the element type of q
  HeadStrides z_strides;
  float* lse = nullptr; // [batch, head, query]: log of the sum of exp(score), natural; null: not wanted
};

} // namespace headscope::kernels
