// SPDX-License-Identifier: GPL-3.0-or-later
// The checked form of an ablation request: prompts, and the heads of each layer.
#pragma once

#include <cstdint>
#include <vector>

#include "core/sweeps/head_ablation.h"
#include "core/sweeps/sweep.h"

namespace headscope {

struct AblationPlan {
  TokenRows prompts;
  std::vector<Answers> answers;
  std::vector<int> layers;                      // with at least one head, increasing
  std::vector<std::vector<std::int64_t>> heads; // of each of `layers`
  std::int64_t head_count = 0;
  std::int64_t most_heads = 0; // in one layer
};

Result<AblationPlan> plan_ablation(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                   const HeadAblationOptions& options);

// A result of the right shape whose numbers are all NaN, which means not measured.
HeadAblationResult empty_result(const Engine& engine, const AblationPlan& plan);

} // namespace headscope
