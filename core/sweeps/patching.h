// SPDX-License-Identifier: GPL-3.0-or-later
// Activation patching: puts activations of one run into another, at every layer and position or head.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/prompts/prompt.h"
#include "core/scoring/metric.h"
#include "core/vocabulary/patching.h"

namespace headscope {

struct PatchingOptions {
  HookPoint site = HookPoint::resid_pre; // any point of a block; see parse_hook_point() for short names
  PatchAxes axes = PatchAxes::automatic;
  bool noising = false;    // false: clean activations into the corrupt run; true: corrupt ones into the clean run
  std::vector<int> layers; // empty: all that have the site
  MetricKind metric = MetricKind::logit_diff;
  PatchAverage average = PatchAverage::ratio_of_means;
  std::int64_t tokens_per_run = 0; // 0: what suits the device
  // The pairs are part of a batch: check_difference() is then called on the whole to see whether there is anything to
  // restore.
  bool part_of_batch = false;
};

// Axes that were not asked for have length 1. Heads are K/V heads at k, v and what depends on them; positions
// are query positions at pattern and attn_scores.
struct PatchingResult {
  HookPoint site = HookPoint::resid_pre;
  PatchAxes axes = PatchAxes::layer_position;
  PatchAverage average = PatchAverage::ratio_of_means;
  MetricKind metric = MetricKind::logit_diff;
  std::int64_t n_pairs = 0, n_layers = 0;
  std::int64_t n_positions = 1; // of the longest pair
  std::int64_t n_heads = 1;
  std::vector<double> clean, corrupt; // metric of the unpatched runs [pair]
  std::vector<double> patched;  // metric [pair, layer, position, head_index]; NaN: not measured, or no such position
  std::vector<double> restored; // (patched - corrupt) / (clean - corrupt), same axes; 0: corrupt, 1: clean;
                                // NaN also for a pair whose clean and corrupt metrics are the same
  bool complete = false;        // false when cancelled; what was measured until then is kept

  std::size_t index(std::int64_t pair, std::int64_t layer, std::int64_t position, std::int64_t head) const {
    return static_cast<std::size_t>(((pair * n_layers + layer) * n_positions + position) * n_heads + head);
  }
  // The mean over the pairs that were measured [layer, position, head_index], as `average` says; NaN where none was, or
  // where those pairs have nothing to restore.
  std::vector<double> mean_restored() const;
  // How many pairs each mean is over, same axes: a position counts only the pairs that are long enough.
  std::vector<std::int64_t> pairs_of_cell() const;
};

// Pairs whose clean and corrupt metrics differ by less than a tenth of the average difference: their own ratio says
// little.
std::vector<std::int64_t> pairs_of_small_difference(const PatchingResult& result);
// One line about those pairs, with the smallest; empty where there are none.
std::string small_difference_note(const PatchingResult& result);

// Cells of mean_restored() whose denominator, the mean difference of the pairs that have them, is less than a tenth of
// the mean absolute difference of all pairs: few pairs have them, or pairs differ in both directions. A mean of ratios
// has none, since it divides by no mean.
std::vector<std::size_t> cells_of_small_difference(const PatchingResult& result);
// One line about those cells, with the smallest; empty where there are none.
std::string small_cells_note(const PatchingResult& result);
// One line about positions that only some pairs have; empty where all pairs have them, or where patches are not by
// position.
std::string unequal_lengths_note(const std::vector<PatchPair>& pairs, PatchAxes axes);

// Reports that one layer of some pairs has been measured.
struct PatchingPart {
  std::vector<std::int64_t> pairs;
  int layer = 0;
  const PatchingResult* result = nullptr;
};
// An error ends the sweep and is returned from it.
using PatchingCallback = std::function<Status(const PatchingPart&)>;

// Returns mismatch for a pair of unequal lengths (with its tokens), or where clean and corrupt metrics are equal on
// average.
Result<PatchingResult> patch_activations(const Engine& engine, const std::vector<PatchPair>& pairs,
                                         const PatchingOptions& options, const RunControl& control = {},
                                         const PatchingCallback& callback = {});

} // namespace headscope
