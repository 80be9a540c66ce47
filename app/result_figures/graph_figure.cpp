// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/graph_figure.h"

#include <algorithm>
#include <cmath>

namespace headscope {
namespace {

struct InputLook {
  const char *kind, *name;
  figures::EdgeLine line;
  double port;
};
constexpr InputLook input_looks[] = {{"q", "into q", figures::EdgeLine::solid, -1},
                                     {"k", "into k", figures::EdgeLine::dashed, 0},
                                     {"v", "into v", figures::EdgeLine::dotted, 1}};

// The look of a head's input; null for anything else.
const InputLook* look_of(const std::string& kind) {
  for (const InputLook& look : input_looks)
    if (kind == look.kind) return &look;
  return nullptr;
}

// A K/V head receives only k and v, which go to its two halves.
double port_of(const InputLook& look, const store::GraphNode& dst) {
  if (!is_kv_head(dst)) return look.port;
  return look.port == 0 ? -0.7 : 0.7;
}

// Draws edges of a look (null: none) as lines of its kind; where a node gets several kinds they end side by side.
void tell_inputs_apart(const store::Graph& graph, const std::vector<const InputLook*>& looks,
                       figures::GraphFigure& figure) {
  const auto bit = [](const InputLook* look) { return 1U << (look - input_looks); };
  std::vector<unsigned> into(figure.nodes.size()); // of each node; a bit a look
  unsigned seen = 0;
  for (std::size_t i = 0; i < looks.size(); ++i) {
    if (looks[i] == nullptr) continue;
    into[figure.edges[i].dst] |= bit(looks[i]);
    seen |= bit(looks[i]);
  }
  for (std::size_t i = 0; i < looks.size(); ++i) {
    if (looks[i] == nullptr) continue;
    figures::FigureEdge& edge = figure.edges[i];
    edge.line = looks[i]->line;
    if (into[edge.dst] != bit(looks[i])) edge.port = port_of(*looks[i], graph.nodes[edge.dst]);
  }
  for (const InputLook& look : input_looks)
    if ((seen & bit(&look)) != 0) figure.line_names.emplace_back(look.line, look.name);
}

// The rows of edges of |score| >= threshold, strongest first.
std::vector<std::size_t> strongest_first(const store::Graph& graph, double threshold) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < graph.edges.size(); ++i)
    if (std::abs(graph.edges[i].score) >= threshold) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(graph.edges[a].score) > std::abs(graph.edges[b].score);
  });
  return order;
}

// Adds ties. In a circuit a head that reads a K/V head may have no edge of its own; it is tied all the same.
void add_ties(const store::Graph& graph, figures::GraphFigure& figure) {
  for (const auto& [kv, head] : kv_readers(graph))
    if (!figure.nodes[kv].faded) figure.ties.push_back({kv, head});
  figure.tie_name = "K/V head and the heads that read it";
}

} // namespace

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
  std::vector<const InputLook*> looks;
  figure.edges.reserve(graph.edges.size());
  looks.reserve(graph.edges.size());
  for (const store::GraphEdge& edge : graph.edges) {
    if (std::isfinite(edge.score)) figure.largest = std::max(figure.largest, std::abs(edge.score));
    if (!(std::abs(edge.score) >= threshold)) continue;
    const auto src = static_cast<std::size_t>(edge.src), dst = static_cast<std::size_t>(edge.dst);
    figure.edges.push_back({src, dst, edge.score});
    looks.push_back(look_of(edge.kind));
    figure.nodes[src].faded = figure.nodes[dst].faded = false;
  }
  tell_inputs_apart(graph, looks, figure);
  add_ties(graph, figure);
  return figure;
}

figures::Table graph_table(const store::Graph& graph, double threshold) {
  figures::Table table;
  table.row_header = "edge";
  table.columns = {"src_layer", "src_head", "dst_layer", "dst_head", "score"};
  for (const std::size_t i : strongest_first(graph, threshold)) {
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

figures::Records graph_records(const store::Graph& graph) {
  std::vector<std::string> edges, sources, targets, kinds;
  std::vector<double> src_layers, src_heads, dst_layers, dst_heads, scores;
  for (const std::size_t i : strongest_first(graph, 0.0)) {
    const store::GraphEdge& edge = graph.edges[i];
    const store::GraphNode& src = graph.nodes[static_cast<std::size_t>(edge.src)];
    const store::GraphNode& dst = graph.nodes[static_cast<std::size_t>(edge.dst)];
    edges.push_back(src.name + " -> " + dst.name + (edge.kind.empty() ? "" : " (" + edge.kind + ")"));
    sources.push_back(src.name);
    targets.push_back(dst.name);
    kinds.push_back(edge.kind);
    src_layers.push_back(src.layer);
    src_heads.push_back(src.head);
    dst_layers.push_back(dst.layer);
    dst_heads.push_back(dst.head);
    scores.push_back(edge.score);
  }
  figures::Records records;
  records.add("edge", std::move(edges)).add("src", std::move(sources)).add("dst", std::move(targets));
  records.add("kind", std::move(kinds)).add("src_layer", std::move(src_layers)).add("src_head", std::move(src_heads));
  records.add("dst_layer", std::move(dst_layers)).add("dst_head", std::move(dst_heads));
  return records.add("score", std::move(scores));
}

} // namespace headscope
