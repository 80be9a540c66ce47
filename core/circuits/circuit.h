// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits, i.e. sets of edges of a computational graph: building them from scores, pruning and comparing them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/circuits/graph.h"
#include "core/vocabulary/circuits.h"

namespace headscope {

struct Circuit {
  std::vector<std::uint8_t> edges; // [edge] 1: belongs to the circuit

  std::int64_t size() const;
};

Circuit whole_circuit(const ComputationalGraph& graph);
Circuit empty_circuit(const ComputationalGraph& graph);
Circuit complement(const Circuit& circuit);

struct BuildOptions {
  BuildRule rule = BuildRule::top_n;
  std::int64_t edges = 0; // for top_n and greedy; at most all
  double threshold = 0.0;
  bool absolute = true; // by size; false: by signed importance
  bool prune = true;
};

// `importance` [edge]: larger is more important. NaN (not measured) is never taken; among equals the earlier edge is.
Circuit build_circuit(const ComputationalGraph& graph, const std::vector<double>& importance,
                      const BuildOptions& options);

// How many edges options.rule (top_n or greedy) must take before a path leads from the input to the logits, so that
// pruning leaves something; 0: not even all measured edges suffice.
std::int64_t first_connected(const ComputationalGraph& graph, const std::vector<double>& importance,
                             BuildOptions options);

// Removes the edges that lie on no path from the input to the logits.
Circuit prune(const ComputationalGraph& graph, const Circuit& circuit);

// Marks senders [sender]: 1 where an edge of the circuit leaves or enters it.
std::vector<std::uint8_t> nodes_of(const ComputationalGraph& graph, const Circuit& circuit);

// What two circuits of one model share (Merullo et al. 2310.08744: circuit component reuse).
struct Overlap {
  std::int64_t first = 0, second = 0, both = 0;
  double jaccard() const;  // both / either; 1 when both are empty
  double of_first() const; // both / first; 1 when that is empty
  double of_second() const;
};
struct CircuitComparison {
  Overlap edges, nodes, heads, mlps;
  std::vector<int> shared_heads, first_only, second_only; // senders that are heads
};
// Returns mismatch when the circuits do not belong to this graph.
Result<CircuitComparison> compare_circuits(const ComputationalGraph& graph, const Circuit& first,
                                           const Circuit& second);

} // namespace headscope
