// SPDX-License-Identifier: GPL-3.0-or-later
// Path patching (Wang et al. 2211.00593, appendix B; Goldowsky-Dill et al. 2304.05969): the effect of a sender on the
// metric through some receivers only. The sender writes its counterfactual output, every other head what it writes on
// the clean prompt; the receivers' inputs of that run are put into the clean run.
#pragma once

#include <vector>

#include "core/circuits/graph.h"
#include "core/circuits/task.h"

namespace headscope {

struct PathOptions {
  std::vector<int> senders;   // empty: all heads that come before a receiver
  std::vector<int> receivers; // patched together
  bool through_mlps = true;   // MLPs between sender and receivers follow; false: only the direct path
};

struct PathEffects {
  std::vector<int> senders;
  std::vector<double> effects; // metric with the paths patched - clean [sender, pair]; NaN: not measured
  std::vector<double> clean;   // [pair]
  bool complete = false;       // false when cancelled

  double mean(std::size_t sender) const; // over the pairs that were measured
};

// Returns invalid_argument for no receivers and for a sender that comes before none of them.
Result<PathEffects> patch_paths(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                const PathOptions& options, const RunControl& context = {});

} // namespace headscope
