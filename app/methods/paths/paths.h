// SPDX-License-Identifier: GPL-3.0-or-later
// The method `paths`: measures the effect of senders on the metric through chosen inputs only (path patching).
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/inputs/pair_set.h"
#include "core/circuits/path_patching.h"

namespace headscope::methods {

struct PathsOptions {
  PairSetOptions pairs;
  std::vector<std::string> senders; // empty: all heads
  std::vector<std::string> receivers = {"logits"};
  bool direct = false;
  MetricKind metric = MetricKind::logit_diff;
  std::int64_t tokens_per_run = 0; // 0: by memory
};

// Finds the nodes of this graph by their names. Errors name the missing node.
Result<PathOptions> paths_of(const PathsOptions& options, const ComputationalGraph& graph);
CircuitTask task_of(const PathsOptions& options, std::vector<PatchPair> pairs);

std::unique_ptr<Cells> make_paths_cells(const PathsOptions& options);
std::unique_ptr<Method> make_paths();

} // namespace headscope::methods
