// SPDX-License-Identifier: GPL-3.0-or-later
// Attention over chosen keys, at the cost of those keys: on the CPU, and on the GPU where libheadscope_cuda.so can be
// opened. Which keys: made here for static masks and for HiP, or by the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/attention_cost.h"
#include "kernels/block_choice.h"
#include "kernels/hip_keys.h"
#include "kernels/sparse_attention.h"

namespace headscope {

// The keys that blocks of queries visit: block b of a head visits the runs [first, last) of `runs`, ascending and
// without overlap. Blocks count from the first query. All tensors are on the device of q.
struct VisitedKeys {
  at::Tensor runs;           // int32 [run, 2]: slots begin, end (not included); a run may be empty
  at::Tensor first, last;    // int64 [batch or 1, head or 1, query_block]: 1 shares them
  std::int64_t block_q = 64; // a multiple of 16 makes use of whole vectors and tensor cores
  std::int64_t sinks = 0;    // where window > 0: a query sees, of its block's keys, the first `sinks` of the text and
  std::int64_t window = 0;   // the last `window` up to its own: what a sliding window needs within a block
  // Blocks of queries that are no neighbours: int32 [batch or 1, head or 1, place], each query once. Block b consists
  // of those at places [b * block_q, (b + 1) * block_q), ascending, and behind them -1 where it has fewer. Undefined:
  // the queries as they come.
  at::Tensor order = {};
};

// Views of memory in any order ([batch, pos, head, d_head] transposed, say); only the last axis must be contiguous.
struct SparseAttentionInput {
  at::Tensor q;    // [batch, head, query, d_head], rotary applied
  at::Tensor k, v; // [batch, kv_head, key, d_head]; heads / kv_heads neighbours share one
  double scale = 1.0;
  std::optional<double> softcap;
  std::optional<std::int64_t> window;  // of the model: key j is seen by query i when i - j < window
  std::int64_t query_offset = 0;       // slot of the first query: a query sees keys up to its own slot
  std::int64_t per_slot = 1;           // so many neighbouring queries stand at the same slot
  std::vector<std::int64_t> key_begin; // per row: left padding; empty: 0
};

struct SparseAttentionOutput {
  at::Tensor z;           // [batch, head, query, d_head], of the type of q; [batch, query, head, d_head] in memory
  at::Tensor log_sum_exp; // [batch, head, query] float32, natural
};

// The softmax over the visited keys that the causal order and the windows allow. A query without any gets z = 0 and
// log_sum_exp = -infinity. Returns nullopt where no kernel can do it, and the caller must go a dense way: gradients are
// taken, element types other than float32, bfloat16 and float16, a GPU without the module, d_head above 256 or no
// multiple of 8 there.
std::optional<SparseAttentionOutput> sparse_attention(const SparseAttentionInput& input, const VisitedKeys& keys);

// What sparse_attention() costs: a block of queries scores all keys of its runs that any of them may see.
AttentionCost cost_of(const SparseAttentionInput& input, const VisitedKeys& keys);

// Attention of the same queries over keys of which no two parts share one: as if all had been in one.
SparseAttentionOutput joined(const std::vector<SparseAttentionOutput>& parts);

// The keys that HiP visits, chosen from q and k without computing all scores, for whole texts: the first query is at
// the start of a block, and there is no left padding. nullopt as above; on a GPU also where block_q is above 64 or
// k / block_k above 1,024.
// What the choice costs is added to `cost`, where that is not null.
std::optional<VisitedKeys> hip_keys(const SparseAttentionInput& input, const kernels::HipOptions& options,
                                    AttentionCost* cost = nullptr);

// Which blocks of keys each query chooses by scores [head, query, block]: int64 [head, query, choice], ascending, -1
// behind them where there are fewer candidates. `options` has all but the scores' sizes.
at::Tensor choose_blocks(const at::Tensor& scores, kernels::BlockScores options);

// The runs of each query block [query_block][run], shared by all heads; on `device`.
VisitedKeys visited_keys(const std::vector<std::vector<kernels::KeyRun>>& runs, std::int64_t block_q,
                         at::Device device);
// The first `sinks` keys and the last `window` of each query, exactly.
VisitedKeys streaming_keys(std::int64_t queries, std::int64_t query_offset, std::int64_t sinks, std::int64_t window,
                           at::Device device);

} // namespace headscope
