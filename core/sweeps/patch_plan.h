// SPDX-License-Identifier: GPL-3.0-or-later
// The checked form of a patching request, and the interventions it is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/sweeps/patching.h"
#include "core/sweeps/sweep.h"

namespace headscope {

// What is patched for one number of the result at a layer.
struct PatchCell {
  std::vector<std::int64_t> positions;
  std::optional<std::int64_t> head; // unset: all, or the site has none
  std::int64_t position_index = 0;  // in the result
  std::int64_t head_index = 0;
};

struct PatchPlan {
  TokenRows clean, corrupt;
  std::vector<Answers> answers;
  std::vector<int> layers;
  PatchAxes axes = PatchAxes::layer_position; // never automatic
  HookPoint site = HookPoint::resid_pre;
  std::int64_t site_heads = 0; // 0: the site has no head axis
  bool noising = false;
  PatchAverage average = PatchAverage::ratio_of_means;
  MetricKind metric = MetricKind::logit_diff;

  const TokenRows& source() const { return noising ? corrupt : clean; }
  const TokenRows& destination() const { return noising ? clean : corrupt; }
  std::vector<PatchCell> cells(std::int64_t length) const;
  // `activation` is one row of the source run's activation at the site, i.e. without the batch axis.
  Intervention intervention(int layer, const PatchCell& cell, const at::Tensor& activation) const;
};

Result<PatchPlan> plan_patching(const Engine& engine, const std::vector<PatchPair>& pairs,
                                const PatchingOptions& options);

// Makes the judge of a chunk's pairs, one per row; metrics that need a reference take it from a run on the clean
// prompts.
Result<Judge> judge_of(const Engine& engine, const PatchPlan& plan, const std::vector<std::int64_t>& chunk,
                       const CancelToken& cancel);

// Returns mismatch, with the tokens, for a pair whose prompts differ in length. `tokenizer` may be null.
Status check_equal_lengths(const std::vector<PatchPair>& pairs, const Tokenizer* tokenizer);

// Makes a result of the right shape whose numbers are all NaN: not measured.
PatchingResult empty_result(const Engine& engine, const PatchPlan& plan);

// Stores the metric of one cell and what it restores; the clean and corrupt metrics must be known.
void keep_patched(PatchingResult& result, std::int64_t pair, int layer, const PatchCell& cell, double value);

// Returns (value - corrupt) / (clean - corrupt) of one pair; NaN where clean and corrupt differ by no more than
// rounding.
double restored_of(const PatchingResult& result, std::int64_t pair, double value);

// Returns mismatch when there is nothing to restore: clean and corrupt metrics differ by no more than rounding, on
// average for the ratio of means, in every pair for the mean of ratios.
Status check_difference(const PatchingResult& result);

} // namespace headscope
