// SPDX-License-Identifier: GPL-3.0-or-later
// A graph with scores and the circuit chosen by them: what a result file keeps under /graph and what is drawn. Does not
// include Torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/circuits/circuit.h"
#include "core/circuits/graph.h"
#include "core/store/result_types.h"

namespace headscope {

struct ScoredCircuit {
  // Starts with nothing measured and no edge in the circuit.
  explicit ScoredCircuit(const GraphShape& shape);

  ComputationalGraph graph;
  std::vector<double> scores;      // [edge] change of the metric when the edge is patched; NaN: not measured
  std::vector<double> node_scores; // [sender]
  Circuit circuit;

  std::string name, task, metric, method, ablation;
  bool lower_is_better = false; // of the metric
  std::string units = "logit";
  std::string model, model_sha256;
  std::int64_t d_model = 0;
  store::Attributes details; // how the circuit was built, what it reaches

  std::vector<double> importance() const; // [edge] what the metric loses by the edge: larger is more important
};

// Nodes are the senders, K/V heads where they are fewer than the heads, and the logits; edges are the graph's, in its
// order.
store::Graph to_store(const ScoredCircuit& circuit);
// Returns corrupt, naming what is wrong, for a graph that is not one of a model.
Result<ScoredCircuit> from_store(const store::Graph& graph);

} // namespace headscope
