// SPDX-License-Identifier: GPL-3.0-or-later
// The places of a graph's nodes: a row for each layer from the input up, heads by number within it. They depend only on
// the nodes, so that edges can come and go without anything moving.
#pragma once

#include <utility>
#include <vector>

#include "app/figures/figure.h"
#include "core/store/result_types.h"

namespace headscope {

figures::NodeKind node_kind(const store::GraphNode& node);
// Whether a node is a K/V head shared by several heads: its `head` then counts K/V heads.
bool is_kv_head(const store::GraphNode& node);
// Pairs each K/V head with each head that reads it, as nodes; none where the graph does not say how many heads share
// one.
std::vector<std::pair<std::size_t, std::size_t>> kv_readers(const store::Graph& graph);

struct GraphLayout {
  std::vector<figures::FigureNode> nodes; // as in the graph
  std::vector<figures::FigureBand> bands; // names of the layers
  bool rightwards = false;
};
GraphLayout lay_out(const store::Graph& graph, bool rightwards = false);

} // namespace headscope
