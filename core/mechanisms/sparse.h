// SPDX-License-Identifier: GPL-3.0-or-later
// Attention of a text by the kernels whose cost is that of the keys visited.
#pragma once

#include "core/engine/sparse_attention.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

// Some queries of a text and all keys up to the last of them, as the kernels take them.
SparseAttentionInput sparse_input(const Text& text, Range queries);

// z [head, query, d_head] over the keys; undefined where no kernel can compute it.
at::Tensor sparse_output(const SparseAttentionInput& input, const VisitedKeys& keys);

// The same range with its beginning moved to that of its block.
inline Range from_block(Range queries, std::int64_t block) { return {queries.begin / block * block, queries.end}; }

} // namespace headscope::mechanisms
