// SPDX-License-Identifier: GPL-3.0-or-later
// What circuits are found for: pairs of prompts, a metric, and what a patched edge carries instead.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/engine/engine.h"
#include "core/scoring/metric.h"
#include "core/sweeps/patching.h"
#include "core/sweeps/sweep.h"
#include "core/vocabulary/circuits.h"

namespace headscope {

struct CircuitTask {
  std::vector<PatchPair> pairs; // `corrupt` may be empty where the ablation is not patch
  MetricKind metric = MetricKind::logit_diff;
  EdgeAblation ablation = EdgeAblation::patch;
  TokenRows reference;             // of the means; empty: the clean prompts
  std::int64_t tokens_per_run = 0; // 0: chosen so that the outputs of all senders take about 128 MiB
};

// Returns invalid_argument for no pairs, bad tokens and missing answers, mismatch for a pair of unequal lengths.
Status check_task(const Engine& engine, const CircuitTask& task);

// A score is the change of the metric when an edge is patched. The importance of an edge is what the metric loses by
// it: -score, or score where lower is better.
std::vector<double> importance_of(const std::vector<double>& scores, MetricKind metric);

} // namespace headscope
