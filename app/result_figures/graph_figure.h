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

// Edges of |score| >= threshold; nodes without one are faded.
figures::GraphFigure graph_figure(const store::Graph& graph, const GraphLayout& layout, double threshold,
                                  const std::string& subtitle);

// One row for each edge of |score| >= threshold, strongest first: ends as layer and head (-1: none), and its score.
figures::Table graph_table(const store::Graph& graph, double threshold);

} // namespace headscope
