// SPDX-License-Identifier: GPL-3.0-or-later
// What a user has done to a graph: nodes moved, hidden, grouped and annotated; kept as a JSON file beside the result.
// Nodes are indices into the graph as it was stored.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <QPointF>

#include "core/base/result.h"
#include "core/store/result_types.h"

namespace headscope::gui {

using NodeSet = std::vector<std::size_t>; // ascending; a node alone, or a group's

struct GraphEdits {
  std::vector<std::pair<std::string, NodeSet>> groups; // with their names
  std::map<std::pair<bool, NodeSet>, QPointF> pins;    // by direction (true: rightwards) and nodes
  std::set<std::size_t> hidden;
  std::map<NodeSet, std::string> notes;

  bool empty() const { return groups.empty() && pins.empty() && hidden.empty() && notes.empty(); }
  friend bool operator==(const GraphEdits&, const GraphEdits&) = default;
};

// "results/circuit.h5" and "ioi": "results/circuit.ioi.graph-edits.json".
std::string edits_path(const std::string& result, const std::string& graph);

// What of them is about nodes that `part` has, by name; `whole` is the graph that they are of.
GraphEdits edits_of_part(const GraphEdits& edits, const store::Graph& whole, const store::Graph& part);

// Replaces what is there.
Status write_edits(const GraphEdits& edits, const store::Graph& graph, const std::string& path);
// Empty where there is no such file. corrupt, naming the field, for what does not fit the graph.
Result<GraphEdits> read_edits(const store::Graph& graph, const std::string& path);

} // namespace headscope::gui
