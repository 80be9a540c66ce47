// SPDX-License-Identifier: GPL-3.0-or-later
// The method `paths`: what senders do to the metric through chosen inputs only (path patching).
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

// The nodes of this graph by their names. Errors name the node that is not there.
Result<PathOptions> paths_of(const PathsOptions& options, const ComputationalGraph& graph);
CircuitTask task_of(const PathsOptions& options, std::vector<PatchPair> pairs);

std::unique_ptr<Cells> make_paths_cells(const PathsOptions& options);
std::unique_ptr<Method> make_paths();

} // namespace headscope::methods
