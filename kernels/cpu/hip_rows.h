// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by the plain and the fast form of HiP's choice: what a query block consists of, and how its runs are written.
#pragma once

#include <vector>

#include "kernels/cpu/attention_rows.h"
#include "kernels/hip_keys.h"

namespace headscope::kernels {
namespace {

struct HipBlock {
  HipBlock(const AttentionProblem& problem, const HipOptions& options, std::int64_t number)
      : index(number), head(problem, number / blocks_of(problem.queries, options.block_q)),
        begin(number % blocks_of(problem.queries, options.block_q) * options.block_q),
        end(std::min(begin + options.block_q, problem.queries)), end_slot(problem.variant.query_offset + end),
        older(std::max<std::int64_t>(0, end_slot - options.window)) {}

  bool chooses(const HipOptions& options) const { return older > options.k; }
  std::int64_t key_blocks(const HipOptions& options) const { return blocks_of(older, options.block_k); }

  std::int64_t index;
  HeadView head;
  std::int64_t begin, end;      // queries
  std::int64_t end_slot, older; // keys before the window are [0, older)
};

// Writes sinks, the chosen key blocks, in ascending order, and the window; what touches becomes one run.
inline void write_runs(const HipBlock& block, const HipOptions& options, const std::vector<std::int64_t>& chosen,
                       const HipKeys& out) {
  const std::int64_t start = block.index * options.most_runs();
  std::int64_t at = start - 1;
  const auto add = [&](std::int64_t begin, std::int64_t end) {
    if (begin >= end) return;
    if (at < start || out.runs[at].end < begin)
      out.runs[++at] = {static_cast<std::int32_t>(begin), static_cast<std::int32_t>(end)};
    else
      out.runs[at].end = std::max(out.runs[at].end, static_cast<std::int32_t>(end));
  };
  add(0, block.chooses(options) ? std::min(options.sinks, block.older) : block.older);
  for (const std::int64_t key_block : chosen)
    add(key_block * options.block_k, std::min((key_block + 1) * options.block_k, block.older));
  add(block.older, block.end_slot);
  out.first[block.index] = start, out.last[block.index] = at + 1;
}

} // namespace
} // namespace headscope::kernels
