// SPDX-License-Identifier: GPL-3.0-or-later
// Makes a figure and a table of a graph in a result file.
#pragma once

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "app/result_figures/graph_layout.h"
#include "core/store/result_types.h"

namespace headscope {

// The part of the graph that belongs to the circuit.
store::Graph members_of(const store::Graph& graph);

// Draws edges of |score| >= threshold; nodes without one are faded. Edges into q, k and v are lines of three kinds,
// which end side by side where a node gets several, and K/V heads are tied to the heads that read them.
figures::GraphFigure graph_figure(const store::Graph& graph, const GraphLayout& layout, double threshold,
                                  const std::string& subtitle);

// One row for each edge of |score| >= threshold, strongest first: ends as layer and head (-1: none), and its score.
figures::Table graph_table(const store::Graph& graph, double threshold);

// The same with a column for each property, strongest edges first: edge, src, dst, kind, src_layer, src_head,
// dst_layer, dst_head (-1: none), score.
figures::Records graph_records(const store::Graph& graph);

} // namespace headscope
