// SPDX-License-Identifier: GPL-3.0-or-later
// The graph that the circuit view shows: a graph of the schema, with groups of nodes drawn as one, with nodes where the
// user has put them, and its edges by strength.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <QPointF>

#include "app/result_figures/graph_layout.h"
#include "core/store/result_types.h"

namespace headscope::gui {

bool is_head(const store::GraphNode& node); // with a layer and a number of its own

class CircuitGraph {
public:
  CircuitGraph() = default;
  explicit CircuitGraph(store::Graph base) : base_(std::move(base)) { rebuild(); }

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
  // The shown node of a head.
  std::optional<std::size_t> node_of(int layer, int head) const;

  void set_rightwards(bool rightwards);
  bool rightwards() const { return rightwards_; }
  // Groups nodes of shown() into one, absorbing groups among them. Does nothing for fewer than two.
  void group(const std::vector<std::size_t>& nodes, const std::string& name);
  void group_layers(); // the heads of each layer
  void ungroup(std::size_t node);
  void ungroup_all();
  bool is_group(std::size_t node) const { return members_[node].size() > 1; }
  const std::vector<std::size_t>& members(std::size_t node) const { return members_[node]; } // of base()

  // Pins a node to a place, which it keeps even when the direction is changed and changed back.
  void pin(std::size_t node, QPointF place);
  bool pinned(std::size_t node) const;
  void unpin_all();

  // The edges of |score| >= threshold and their nodes, ungrouped, for a file; of a group, every edge that is strong
  // enough.
  store::Graph strongest(double threshold) const;

private:
  void rebuild();
  void rebuild_nodes();
  void rebuild_edges();
  std::string key(std::size_t node) const; // of its pin

  store::Graph base_, shown_;
  GraphLayout layout_;
  std::vector<std::pair<std::string, std::vector<std::size_t>>> groups_; // name and nodes of base_
  std::vector<std::vector<std::size_t>> members_;                        // [shown node]
  std::vector<std::size_t> node_of_base_, first_edge_;
  std::map<std::string, QPointF> pins_;
  bool rightwards_ = false;
};

} // namespace headscope::gui
