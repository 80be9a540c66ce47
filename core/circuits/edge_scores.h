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
  // Bytes of activations kept for the backward pass; those of lower blocks are recomputed. 0: recomputed for every
  // block.
  std::int64_t activation_bytes = std::int64_t{1} << 30;
};

// Mean changes of the metric over the pairs; NaN: not measured. importance_of() turns them into what a circuit needs.
struct GraphScores {
  std::vector<double> edges; // [edge]
  std::vector<double> nodes; // [sender], all its edges patched; of gradient methods the sum of its edges
  std::vector<double> clean; // metric of the model [pair]
  bool complete = false;     // false when cancelled; what was measured until then is kept
};

// Needs memory for what all senders write, [sender, row, pos, d_model], and options.activation_bytes. Gradient methods
// run the common beginning of clean and corrupt prompts once, and several interpolation steps as rows of one batch.
// Returns invalid_argument for a metric that cannot be differentiated (answer_rank, accuracy) with a gradient method,
// and for eap_ig_inputs and clean_corrupted without counterfactual prompts (patch).
Result<GraphScores> score_edges(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                const ScoreOptions& options, const RunControl& context = {});

} // namespace headscope
