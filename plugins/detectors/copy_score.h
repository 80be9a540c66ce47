// SPDX-License-Identifier: GPL-3.0-or-later
// The copy score of name movers (Wang et al. 2211.00593): whether a head writes the name that it attends to.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/run_control.h"
#include "core/engine/engine.h"

namespace headscope {

struct CopyScores {
  std::vector<double> copy;     // share of names among the `top` logits of ln_final(OV(ln1(x))) [layer, head]
  std::vector<double> negative; // the same of -OV
};

// x is the residual after block 0 at each of `positions` of each prompt. b_V is included, b_O is not.
Result<CopyScores> copy_scores(const Engine& engine, const std::vector<std::vector<std::int64_t>>& prompts,
                               const std::vector<std::vector<std::int64_t>>& positions, std::int64_t top,
                               const RunControl& control);

} // namespace headscope
