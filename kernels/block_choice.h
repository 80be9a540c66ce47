// SPDX-License-Identifier: GPL-3.0-or-later
// The blocks of keys that queries choose by scores of all blocks: inputs and outputs, for the CPU (kernels/cpu) and the
// GPU (kernels/cuda) alike.
#pragma once

#include "kernels/attention_statistics.h"

namespace headscope::kernels {

struct BlockScores {
  const void* scores = nullptr; // [head, query, block], contiguous
  Element element = Element::f32;
  std::int64_t heads = 1, queries = 0, blocks = 0;
  // A query at position i, of which the first is at `position`, chooses among blocks [first, i / size - behind).
  std::int64_t position = 0, size = 64, first = 1, behind = 0;
  std::int64_t choices = 1;

  HEADSCOPE_HOST_DEVICE std::int64_t end(std::int64_t query) const {
    const std::int64_t own = (position + query) / size - behind;
    return own < blocks ? own : blocks;
  }
};

// out: [head, query, choice], the blocks with the largest scores, among equals the first ones, in their order; -1
// behind them where there are fewer. A score that is NaN counts as the smallest.

} // namespace headscope::kernels
