// SPDX-License-Identifier: GPL-3.0-or-later
// A graph of a result file as a figure and as a table.
#pragma once

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "app/result_figures/graph_layout.h"
#include "core/store/result_types.h"

namespace headscope {

// What belongs to the circuit, and nothing else.
store::Graph members_of(const store::Graph& graph);

// Edges of |score| >= threshold; nodes without one are faded. Edges into q, k and v are lines of three kinds, and end
// side by side where a node gets several, and K/V heads are tied to the heads that read them.
figures::GraphFigure graph_figure(const store::Graph& graph, const GraphLayout& layout, double threshold,
                                  const std::string& subtitle);

// One row for each edge of |score| >= threshold, strongest first: ends as layer and head (-1: none), and its score.
figures::Table graph_table(const store::Graph& graph, double threshold);

// The same with a column for each thing, the edge and its strongest rows first: edge, src, dst, kind, src_layer,
// src_head, dst_layer, dst_head (-1: none), score.
figures::Records graph_records(const store::Graph& graph);

} // namespace headscope
