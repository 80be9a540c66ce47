// SPDX-License-Identifier: GPL-3.0-or-later
// Lays out the nodes, the names of layers and the legend of a graph.
#include <algorithm>
#include <cmath>

#include "app/figures/graph_look.h"
#include "app/figures/scene.h"
#include "app/figures/ticks.h"

namespace headscope::figures {

namespace {

using Role = TextBox::Role;

constexpr double band_gap = 14; // between names of layers and nodes
constexpr double key_length = 44, key_gap = 20;

Error bad(const std::string& message, const std::string& field) {
  return make_error(ErrorCode::invalid_argument, message, {}, field);
}

Status check_graph(const GraphFigure& figure) {
  if (figure.nodes.empty()) return bad("a graph needs at least one node", "nodes");
  for (std::size_t i = 0; i < figure.nodes.size(); ++i) {
    const FigureNode& node = figure.nodes[i];
    if (!std::isfinite(node.x) || !std::isfinite(node.y) || !(node.width > 0) || !(node.height > 0))
      return bad("node " + std::to_string(i) + " has no place or no size", "nodes");
  }
  for (std::size_t i = 0; i < figure.edges.size(); ++i)
    if (std::max(figure.edges[i].src, figure.edges[i].dst) >= figure.nodes.size())
      return bad("edge " + std::to_string(i) + " has an end that is not a node", "edges");
  for (const FigureTie& tie : figure.ties)
    if (std::max(tie.a, tie.b) >= figure.nodes.size()) return bad("a tie has an end that is not a node", "ties");
  return {};
}

double largest_of(const GraphFigure& figure) {
  double largest = figure.largest;
  if (largest <= 0)
    for (const FigureEdge& edge : figure.edges)
      if (std::isfinite(edge.value)) largest = std::max(largest, std::abs(edge.value));
  return largest > 0 ? largest : 1;
}

void add_legend(GraphBlock& block, const GraphFigure& figure, double width) {
  if (figure.edges.empty()) return;
  double x = 0, y = block.height + key_gap;
  for (const std::string& line : wrap(FontRole::axis, values_name(figure), std::max(width, 200.0), 2)) {
    add_text(block.content, Role::legend, FontRole::axis, line, 0, y);
    block.width = std::max(block.width, text_width(FontRole::axis, line));
    y += line_height(FontRole::axis) + 2;
  }
  for (const GraphKey& key : graph_keys(figure, block.graph.largest)) {
    const std::string text = clean_text(key.text);
    const double needed = key_length + label_gap + text_width(FontRole::tick, text);
    if (x > 0 && x + needed > std::max(width, needed)) {
      x = 0;
      y += line_height(FontRole::tick) + 2;
    }
    block.graph.keys.push_back({{x, y, key_length, line_height(FontRole::tick)}, key.value, key.line, key.tie});
    add_text(block.content, Role::legend, FontRole::tick, text, x + key_length + label_gap, y);
    x += needed + key_gap;
    block.width = std::max(block.width, x - key_gap);
  }
  block.height = y + line_height(FontRole::tick);
}

} // namespace

Result<GraphBlock> make_graph(const GraphFigure& figure, double width) {
  HS_TRY(check_graph(figure));
  GraphBlock block;
  block.graph.figure = &figure;
  block.graph.largest = largest_of(figure);
  for (const FigureNode& node : figure.nodes)
    block.graph.nodes.push_back({node.x - node.width / 2, node.y - node.height / 2, node.width, node.height});
  const Rect all = bounds_of(block.graph.nodes);
  double left = 0, top = 0;
  for (const FigureBand& band : figure.bands) {
    const double extent = text_width(FontRole::tick, clean_text(band.label));
    if (figure.rightwards)
      top = line_height(FontRole::tick) + band_gap;
    else
      left = std::max(left, extent + band_gap);
  }
  double scale = text_scale(); // labels of another size fit nodes of another size
  if (width > 0) scale = std::clamp((width - left) / all.width, 0.1, 4.0);
  block.graph.scale = scale;
  for (Rect& node : block.graph.nodes)
    node = {left + (node.x - all.x) * scale, top + (node.y - all.y) * scale, node.width * scale, node.height * scale};
  block.width = left + all.width * scale;
  block.height = top + all.height * scale;
  double free_from = -1e9; // names that would touch the one before are omitted
  std::vector<FigureBand> bands = figure.bands;
  std::sort(bands.begin(), bands.end(), [](const FigureBand& a, const FigureBand& b) { return a.at < b.at; });
  for (const FigureBand& band : bands) {
    const std::string label = clean_text(band.label);
    const double extent = text_width(FontRole::tick, label), high = line_height(FontRole::tick);
    const double at = figure.rightwards ? left + (band.at - all.x) * scale : top + (band.at - all.y) * scale;
    const double from = at - (figure.rightwards ? extent : high) / 2;
    if (from < free_from) continue;
    free_from = from + (figure.rightwards ? extent + 4 : high);
    if (figure.rightwards)
      add_text(block.content, Role::x_tick, FontRole::tick, label, from, 0, 0, Ink::muted);
    else
      add_text(block.content, Role::y_tick, FontRole::tick, label, left - band_gap - extent, from, 0, Ink::muted);
  }
  add_legend(block, figure, block.width);
  return block;
}

} // namespace headscope::figures
