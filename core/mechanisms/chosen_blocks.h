// SPDX-License-Identifier: GPL-3.0-or-later
// Attention of queries that each choose blocks of keys for themselves. Blocks of keys are visited one after the other,
// each by all the queries that chose it, so that kernels for blocks of queries can do it; what a query gets from each
// of its blocks is mixed afterwards.
#pragma once

#include <functional>
#include <optional>

#include <ATen/core/Tensor.h>

#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

// What queries ask of which blocks.
struct BlockChoice {
  at::Tensor block;       // int64 [head, query, choice]: a block of keys, twice at no query; -1: none
  at::Tensor q;           // [head, query, choice, d_head]: what is multiplied with the keys of that block
  at::Tensor k;           // [head, key, d_head]
  std::int64_t size = 64; // keys of a block
};

struct BlockOutput {
  at::Tensor z;           // [head, query, choice, d_head]: the softmax within that block, of keys that the query sees
  at::Tensor log_sum_exp; // float32 [head, query, choice]; -inf: of none
};

// nullopt where no kernel can compute it.
std::optional<BlockOutput> attend_blocks(const Text& text, Range queries, const BlockChoice& choice);

// Mixes what queries got of their blocks by the softmax of `weights` [head, query, choice]: [head, query, d_head].
at::Tensor mixed_blocks(const BlockOutput& blocks, const at::Tensor& weights);

// Calls `some` for ranges of so many queries that all their choices, `choices` each, fit into memory, and puts the
// results [head, query, d_head] together; undefined where one of them is.
at::Tensor by_ranges(const Text& text, Range queries, std::int64_t choices,
                     const std::function<at::Tensor(Range queries)>& some);

} // namespace headscope::mechanisms
