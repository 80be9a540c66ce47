// SPDX-License-Identifier: GPL-3.0-or-later
// Attention of a text by the kernels whose cost is that of the keys visited.
#pragma once

#include "core/engine/sparse_attention.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

// Some queries of a text and all keys up to the last of them, as the kernels take them.
SparseAttentionInput sparse_input(const Text& text, Range queries);

// z [head, query, d_head] over the keys; undefined where no kernel can compute it.
at::Tensor sparse_output(const Text& text, const SparseAttentionInput& input, const VisitedKeys& keys);

// The same with the log of the sum of exp(score), to be joined with other keys; counts its cost.
std::optional<SparseAttentionOutput> sparse_part(const Text& text, const SparseAttentionInput& input,
                                                 const VisitedKeys& keys);
// z of parts without a key in common; undefined where one of them is missing.
at::Tensor joined_output(const std::vector<std::optional<SparseAttentionOutput>>& parts);

// Queries that visit the same keys, by their place among an input's queries, ascending.
struct QueryGroup {
  std::vector<std::int32_t> queries;
  std::vector<kernels::KeyRun> runs;
};
// The keys of groups that hold each of an input's queries once, for all heads or by head.
VisitedKeys visited_by_groups(const std::vector<std::vector<QueryGroup>>& by_head, at::Device device);

// Of the keys from `least` on, the last `window` up to each of an input's own slots.
VisitedKeys band_keys(const SparseAttentionInput& input, std::int64_t window, std::int64_t least);

// The same range with its beginning moved to that of its block.
inline Range from_block(Range queries, std::int64_t block) { return {queries.begin / block * block, queries.end}; }

} // namespace headscope::mechanisms
