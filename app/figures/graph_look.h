// SPDX-License-Identifier: GPL-3.0-or-later
// The look of a graph's nodes and edges, shared by figures and the window.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/figures/figure.h"

namespace headscope::figures {

// The colour 0xRRGGBB by sign and size, from the parts of vik that are visible on the page. `share`: value / largest,
// -1 … 1.
std::uint32_t edge_color(double share, bool dark);
// The width in pixels at the figure's natural size.
double edge_width(double share);

// Pixels that are drawn and left out in turn, whatever the line's width; a line without gaps has none.
struct Dash {
  double on = 0, off = 0;
};
Dash edge_dash(EdgeLine line);

// One line of the legend.
struct GraphKey {
  std::string text;
  std::optional<double> value = {}; // none: in the colour of texts
  EdgeLine line = EdgeLine::solid;
  bool tie = false;
};
// Lines of both signs, where there are both, at full and half strength; then the kinds of lines that are there, and
// ties. `largest`: |value| of full strength.
std::vector<GraphKey> graph_keys(const GraphFigure& figure, double largest);
// What the values are, with their units.
std::string values_name(const GraphFigure& figure);

struct NodeInk {
  std::uint32_t fill, line, text; // 0xRRGGBB
};
NodeInk node_ink(NodeKind kind, bool dark);
// The ink of a node without a live edge.
NodeInk faded_ink(NodeKind kind, bool dark);

struct GraphPoint {
  double x = 0, y = 0;
};
// The four control points of the cubic from node `src` to node `dst`.
using EdgeCurve = std::array<GraphPoint, 4>;
// `port` says where on the side of `dst` it ends, as in FigureEdge.
EdgeCurve edge_curve(const Rect& src, const Rect& dst, bool rightwards, double port = 0);

Rect bounds_of(const std::vector<Rect>& rects);

} // namespace headscope::figures
