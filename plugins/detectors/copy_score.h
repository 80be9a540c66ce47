// SPDX-License-Identifier: GPL-3.0-or-later
// Copy score of name movers (Wang et al. 2211.00593): is a name that a head attends to what it says?
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/task.h"
#include "core/engine/engine.h"

namespace headscope {

struct CopyScores {
  std::vector<double> copy;     // share of names among the `top` logits of ln_final(OV(ln1(x))) [layer, head]
  std::vector<double> negative; // the same of -OV
};

// x: the residual after block 0 at each of `positions` of each prompt. Biases b_V count, b_O does not.
Result<CopyScores> copy_scores(const Engine& engine, const std::vector<std::vector<std::int64_t>>& prompts,
                               const std::vector<std::vector<std::int64_t>>& positions, std::int64_t top,
                               const TaskContext& task);

} // namespace headscope
