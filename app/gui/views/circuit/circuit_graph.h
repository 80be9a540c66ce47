// SPDX-License-Identifier: GPL-3.0-or-later
// The graph that the circuit view shows: a graph of the schema, with groups of nodes drawn as one, with nodes where the
// user has put them, and its edges by strength.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <QPointF>

#include "app/gui/views/circuit/graph_edits.h"
#include "app/result_figures/graph_layout.h"
#include "core/store/result_types.h"

namespace headscope::gui {

bool is_head(const store::GraphNode& node); // with a layer and a number of its own

class CircuitGraph {
public:
  CircuitGraph() = default;
  explicit CircuitGraph(store::Graph base);

  // Another one for every graph that is made of a stored one; copies keep it.
  std::uint64_t id() const { return id_; }
  // What the functions below have changed.
  const GraphEdits& edits() const { return edits_; }
  void set_edits(GraphEdits edits);

  const store::Graph& base() const { return base_; }
  // The graph that is drawn: a group is one node, and the strongest of several edges between two nodes represents all.
  // Edges are in order of |score|, strongest first; those without a score are omitted.
  const store::Graph& shown() const { return shown_; }
  const GraphLayout& layout() const { return layout_; } // of shown()
  bool empty() const { return base_.nodes.empty(); }
  double largest() const { return shown_.edges.empty() ? 0.0 : std::abs(shown_.edges.front().score); }

  // How many of shown()'s edges have |score| >= threshold: they are the first ones.
  std::size_t count(double threshold) const;
  // |score| of the n-th strongest edge (from 1); 0 where there are fewer edges.
  double threshold_of(std::size_t n) const;
  // Whether the node has one of the first n edges.
  bool live(std::size_t node, std::size_t n) const { return first_edge_[node] < n; }
  std::size_t live_count(std::size_t n) const;
  // The shown node that stands for one of base(); unset while it is hidden.
  std::optional<std::size_t> shown_of(std::size_t base_node) const;
  // Of a head.
  std::optional<std::size_t> node_of(int layer, int head) const;

  void set_rightwards(bool rightwards);
  bool rightwards() const { return rightwards_; }
  // Groups nodes of shown() into one, absorbing groups among them. Does nothing for fewer than two.
  void group(const std::vector<std::size_t>& nodes, const std::string& name);
  void group_layers(); // the heads of each layer
  void ungroup(std::size_t node);
  void ungroup_all();
  bool is_group(std::size_t node) const { return members_[node].size() > 1; }
  const NodeSet& members(std::size_t node) const { return members_[node]; } // of base()

  // Pins a node to a place, which it keeps even when the direction is changed and changed back.
  void pin(std::size_t node, QPointF place);
  bool pinned(std::size_t node) const;
  void unpin(std::size_t node);
  void unpin_all();

  // With their edges.
  void hide(const std::vector<std::size_t>& nodes);
  void unhide_all();
  void annotate(std::size_t node, const std::string& text); // empty: no more
  std::string note(std::size_t node) const;

  // The first n edges and their nodes alone, ungrouped, to be written to a file: of a group every edge that is at
  // least as strong as the last of them.
  store::Graph strongest(double threshold) const;

private:
  void rebuild();
  void rebuild_nodes();
  void rebuild_edges();
  std::pair<bool, NodeSet> pin_of(std::size_t node) const { return {rightwards_, members_[node]}; }

  std::uint64_t id_ = 0;
  store::Graph base_, shown_;
  GraphLayout layout_;
  GraphEdits edits_;
  std::vector<NodeSet> members_; // [shown node]
  std::vector<std::size_t> node_of_base_, first_edge_;
  bool rightwards_ = false;
};

} // namespace headscope::gui
