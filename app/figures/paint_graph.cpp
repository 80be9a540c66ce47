// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <numeric>

#include <QPainterPath>

#include "app/figures/graph_look.h"
#include "app/figures/paint.h"

namespace headscope::figures {

namespace {

QPen styled(QColor color, double width, EdgeLine line) {
  QPen pen(color, width);
  pen.setCapStyle(Qt::FlatCap);
  // Qt counts in widths of the pen.
  if (const Dash dash = edge_dash(line); dash.on > 0) pen.setDashPattern({dash.on / width, dash.off / width});
  return pen;
}

QPen edge_pen(double share, bool dark, double scale, EdgeLine line) {
  return styled(QColor(QRgb(edge_color(share, dark))), edge_width(share) * scale, line);
}

QPen tie_pen(const Canvas& canvas) { return {canvas.colors.muted, 1}; }

QPointF middle(const Rect& box) { return {box.x + box.width / 2, box.y + box.height / 2}; }

// Draws ties behind the nodes, from centre to centre.
void paint_ties(const Canvas& canvas, const SceneGraph& graph) {
  canvas.painter.setPen(tie_pen(canvas));
  for (const FigureTie& tie : graph.figure->ties)
    canvas.painter.drawLine(middle(graph.nodes[tie.a]), middle(graph.nodes[tie.b]));
}

void paint_key(const Canvas& canvas, const SceneGraph& graph, const SceneGraph::Key& key, bool dark) {
  if (key.tie)
    canvas.painter.setPen(tie_pen(canvas));
  else if (key.value)
    canvas.painter.setPen(edge_pen(*key.value / graph.largest, dark, 1, key.line));
  else
    canvas.painter.setPen(styled(canvas.colors.text, 2, key.line));
  const double y = key.box.y + key.box.height / 2;
  canvas.painter.drawLine(QPointF(key.box.x, y), QPointF(key.box.x + key.box.width, y));
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
    const EdgeCurve c = edge_curve(graph.nodes[edge.src], graph.nodes[edge.dst], figure.rightwards, edge.port);
    QPainterPath path(QPointF(c[0].x, c[0].y));
    path.cubicTo(c[1].x, c[1].y, c[2].x, c[2].y, c[3].x, c[3].y);
    canvas.painter.strokePath(path, edge_pen(edge.value / graph.largest, dark, graph.scale, edge.line));
  }
}

void paint_node(const Canvas& canvas, const FigureNode& node, const Rect& place, bool dark) {
  const NodeInk ink = node.faded ? faded_ink(node.kind, dark) : node_ink(node.kind, dark);
  QPainter& painter = canvas.painter;
  painter.setPen(QPen(node.marked ? canvas.colors.accent : QColor(QRgb(ink.line)), node.marked ? 2.5 : 1));
  // A faded node is transparent to the edges behind it.
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
  paint_ties(canvas, graph);
  paint_edges(canvas, graph, dark);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    paint_node(canvas, graph.figure->nodes[i], graph.nodes[i], dark);
  for (const SceneGraph::Key& key : graph.keys)
    paint_key(canvas, graph, key, dark);
  canvas.painter.restore();
}

} // namespace headscope::figures
