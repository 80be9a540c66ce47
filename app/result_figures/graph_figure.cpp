// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/graph_figure.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace headscope {

store::Graph members_of(const store::Graph& graph) {
  store::Graph out{graph.name, graph.metric, graph.task, graph.units, {}, {}, graph.attributes};
  std::vector<std::int64_t> place(graph.nodes.size(), -1);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!graph.nodes[i].in_circuit) continue;
    place[i] = std::ssize(out.nodes);
    out.nodes.push_back(graph.nodes[i]);
  }
  for (store::GraphEdge edge : graph.edges) {
    edge.src = place[static_cast<std::size_t>(edge.src)];
    edge.dst = place[static_cast<std::size_t>(edge.dst)];
    if (edge.in_circuit && edge.src >= 0 && edge.dst >= 0) out.edges.push_back(std::move(edge));
  }
  return out;
}

figures::GraphFigure graph_figure(const store::Graph& graph, const GraphLayout& layout, double threshold,
                                  const std::string& subtitle) {
  figures::GraphFigure figure;
  figure.title = "Circuit: " + (graph.task.empty() ? graph.name : graph.task);
  figure.subtitle = subtitle;
  figure.nodes = layout.nodes;
  figure.bands = layout.bands;
  figure.rightwards = layout.rightwards;
  figure.label = graph.metric;
  figure.units = graph.units;
  for (figures::FigureNode& node : figure.nodes)
    node.faded = true;
  for (const store::GraphEdge& edge : graph.edges) {
    if (std::isfinite(edge.score)) figure.largest = std::max(figure.largest, std::abs(edge.score));
    if (!(std::abs(edge.score) >= threshold)) continue;
    const auto src = static_cast<std::size_t>(edge.src), dst = static_cast<std::size_t>(edge.dst);
    figure.edges.push_back({src, dst, edge.score});
    figure.nodes[src].faded = figure.nodes[dst].faded = false;
  }
  return figure;
}

figures::Table graph_table(const store::Graph& graph, double threshold) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < graph.edges.size(); ++i)
    if (std::abs(graph.edges[i].score) >= threshold) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(graph.edges[a].score) > std::abs(graph.edges[b].score);
  });
  figures::Table table;
  table.row_header = "edge";
  table.columns = {"src_layer", "src_head", "dst_layer", "dst_head", "score"};
  for (const std::size_t i : order) {
    const store::GraphEdge& edge = graph.edges[i];
    const store::GraphNode& src = graph.nodes[static_cast<std::size_t>(edge.src)];
    const store::GraphNode& dst = graph.nodes[static_cast<std::size_t>(edge.dst)];
    table.row_labels.push_back(src.name + " -> " + dst.name + (edge.kind.empty() ? "" : " (" + edge.kind + ")"));
    for (const int place : {src.layer, src.head, dst.layer, dst.head})
      table.values.push_back(place);
    table.values.push_back(edge.score);
  }
  return table;
}

} // namespace headscope
