// SPDX-License-Identifier: GPL-3.0-or-later
// Makes heads attend elsewhere, or write more or less, and measures what a task gains, against the same changes to
// random heads in the same layers. Merullo, Eickhoff and Pavlick 2310.08744, section 5: the last token's attention of
// three inhibition heads and one negative mover head is set to the wrong colors, in equal shares.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/sweeps/head_ablation.h"

namespace headscope {

struct HeadAdjustment {
  HeadId head;
  double scale = 1.0;   // of the head's output z, at every token
  std::string steer_to; // a name in AdjustmentPrompt::keys; empty: its attention stays
  double share = 1.0;   // of the attention; the rest keeps its pattern
  friend bool operator==(const HeadAdjustment&, const HeadAdjustment&) = default;
};

struct AdjustmentPrompt {
  std::vector<std::int64_t> tokens;
  Answers answers;                                       // `wrong` may be empty
  std::map<std::string, std::vector<std::int64_t>> keys; // positions by name
};

struct AdjustmentOptions {
  bool all_queries = false;        // steer every token's attention, not only the last's
  std::int64_t seeds = 5;          // random controls
  std::uint64_t seed = 0;          // of the controls: seed, seed + 1, ...
  std::int64_t tokens_per_run = 0; // 0: what suits the device
};

struct AdjustmentResult {
  // Variant 0 changes nothing, 1 is what was asked for, each further one is a control.
  std::vector<std::vector<HeadAdjustment>> variants;
  std::int64_t n_prompts = 0;
  std::vector<double> logit_diff;      // [variant, prompt]; NaN: not measured, or no wrong answer
  std::vector<double> accuracy;        // [variant, prompt] 1: the token with the largest logit is an answer; NaN
  std::vector<std::int64_t> predicted; // [variant, prompt] that token; -1: not measured
  bool complete = false;               // false when cancelled

  std::size_t index(std::size_t variant, std::size_t prompt) const {
    return variant * static_cast<std::size_t>(n_prompts) + prompt;
  }
  // Means over the prompts that were measured.
  double mean_logit_diff(std::size_t variant) const;
  double mean_accuracy(std::size_t variant) const;
};

// The variants of a result; they depend on these arguments alone.
std::vector<std::vector<HeadAdjustment>> adjustment_variants(const std::vector<HeadAdjustment>& adjustments,
                                                             const AdjustmentOptions& options,
                                                             const ModelConfig& config);

// Returns invalid_argument for no adjustment, heads outside the model, a scale that is not finite, a share outside 0 to
// 1, and prompts without the keys that an adjustment names.
Result<AdjustmentResult> adjust_heads(const Engine& engine, const std::vector<AdjustmentPrompt>& prompts,
                                      const std::vector<HeadAdjustment>& adjustments, const AdjustmentOptions& options,
                                      const RunControl& control = {});

} // namespace headscope
