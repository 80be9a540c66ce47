// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <numeric>

#include <QPainterPath>

#include "app/figures/graph_look.h"
#include "app/figures/paint.h"

namespace headscope::figures {

namespace {

QPen edge_pen(double share, bool dark, double scale) {
  QPen pen(QColor(QRgb(edge_color(share, dark))), edge_width(share) * scale);
  pen.setCapStyle(Qt::FlatCap);
  return pen;
}

void paint_edges(const Canvas& canvas, const SceneGraph& graph, bool dark) {
  const GraphFigure& figure = *graph.figure;
  std::vector<std::size_t> order(figure.edges.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(figure.edges[a].value) < std::abs(figure.edges[b].value);
  });
  for (const std::size_t i : order) {
    const FigureEdge& edge = figure.edges[i];
    if (!std::isfinite(edge.value)) continue;
    const EdgeCurve c = edge_curve(graph.nodes[edge.src], graph.nodes[edge.dst], figure.rightwards);
    QPainterPath path(QPointF(c[0].x, c[0].y));
    path.cubicTo(c[1].x, c[1].y, c[2].x, c[2].y, c[3].x, c[3].y);
    canvas.painter.strokePath(path, edge_pen(edge.value / graph.largest, dark, graph.scale));
  }
}

void paint_node(const Canvas& canvas, const FigureNode& node, const Rect& place, bool dark) {
  const NodeInk ink = node.faded ? faded_ink(node.kind, dark) : node_ink(node.kind, dark);
  QPainter& painter = canvas.painter;
  painter.setPen(QPen(node.marked ? canvas.colors.accent : QColor(QRgb(ink.line)), node.marked ? 2.5 : 1));
  // A faded node lets the edges behind it through.
  painter.setBrush(node.faded ? QColor(Qt::transparent) : QColor(QRgb(ink.fill)));
  const double radius = std::min(place.width, place.height) * 0.25;
  painter.drawRoundedRect(to_qt(place), radius, radius);
  const std::string label = clean_text(node.label);
  const double width = text_width(FontRole::tick, label), height = line_height(FontRole::tick);
  if (width > place.width - 2 || height > place.height + 4) return;
  painter.setFont(font(FontRole::tick));
  painter.setPen(QColor(QRgb(ink.text)));
  painter.drawText(
      QPointF(place.x + (place.width - width) / 2, place.y + (place.height - height) / 2 + ascent(FontRole::tick)),
      QString::fromStdString(label));
}

} // namespace

void paint_graph(const Canvas& canvas, const SceneGraph& graph) {
  const bool dark = canvas.colors.page.lightness() < 128;
  canvas.painter.save();
  paint_edges(canvas, graph, dark);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    paint_node(canvas, graph.figure->nodes[i], graph.nodes[i], dark);
  for (const auto& [key, value] : graph.keys) {
    canvas.painter.setPen(edge_pen(value / graph.largest, dark, 1));
    const double y = key.y + key.height / 2;
    canvas.painter.drawLine(QPointF(key.x, y), QPointF(key.x + key.width, y));
  }
  canvas.painter.restore();
}

} // namespace headscope::figures
