// SPDX-License-Identifier: GPL-3.0-or-later
// The look of a graph's nodes and edges, shared by figures and the window.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "app/figures/figure.h"

namespace headscope::figures {

// The colour 0xRRGGBB by sign and size, from the parts of vik that are visible on the page. `share`: value / largest,
// -1 … 1.
std::uint32_t edge_color(double share, bool dark);
// The width in pixels at the figure's natural size.
double edge_width(double share);

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
