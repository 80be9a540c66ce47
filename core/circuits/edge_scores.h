// SPDX-License-Identifier: GPL-3.0-or-later
// How much each edge matters: the change of the metric when the edge alone is patched, exactly or estimated from
// gradients. Methods as in EAP-IG (github.com/hannamw/EAP-IG).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/circuits/graph.h"
#include "core/circuits/task.h"
#include "core/vocabulary/circuits.h"

namespace headscope {

struct ScoreOptions {
  ScoreMethod method = ScoreMethod::eap_ig_inputs;
  std::int64_t steps = 5; // of the two integrated methods
  // Of activations that are kept for the backward pass; those of lower blocks are computed again. Block by block: 0.
  std::int64_t activation_bytes = std::int64_t{1} << 30;
};

// Mean changes of the metric over the pairs; NaN: not measured. See importance_of() for what is wanted of a circuit.
struct GraphScores {
  std::vector<double> edges; // [edge]
  std::vector<double> nodes; // [sender], all its edges patched; of gradient methods the sum of its edges
  std::vector<double> clean; // metric of the model [pair]
  bool complete = false;     // false when cancelled; what was measured until then is kept
};

// Memory is that of what all senders write, [sender, row, pos, d_model], and options.activation_bytes. Gradient methods
// run what clean and corrupt prompts begin with in common once, and several interpolation steps as rows of one batch.
// Returns invalid_argument for a metric that cannot be differentiated (answer_rank, accuracy) with a gradient method,
// and for eap_ig_inputs and clean_corrupted without counterfactual prompts (patch).
Result<GraphScores> score_edges(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                const ScoreOptions& options, const TaskContext& context = {});

} // namespace headscope
