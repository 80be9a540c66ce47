// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/graph_look.h"

#include <algorithm>
#include <cmath>

#include "app/figures/color_map.h"
#include "app/figures/ticks.h"

namespace headscope::figures {
namespace {

constexpr double thinnest = 0.8, thickest = 5.0;
constexpr double port_share = 0.3; // of a node's side, from its middle to an outer port

std::uint32_t mixed(std::uint32_t a, std::uint32_t b, double share_of_b) {
  std::uint32_t out = 0;
  for (int shift = 0; shift <= 16; shift += 8) {
    const double from = (a >> shift) & 0xFF, to = (b >> shift) & 0xFF;
    out |= static_cast<std::uint32_t>(std::lround(from + (to - from) * share_of_b)) << shift;
  }
  return out;
}

// How far an edge between nodes of one line bends aside, so that nodes between them do not hide it; 0 where there are
// none.
double detour(double distance, double beside, double size, double thickness) {
  if (std::abs(beside) > size / 2 || distance < 1.5 * thickness) return 0;
  return size / 2 + 4 + 18 * distance / (distance + 150);
}

} // namespace

std::uint32_t edge_color(double share, bool dark) {
  const double size = std::min(std::abs(share), 1.0);
  // vik is white in the middle and nearly black at the ends: neither would show on its page.
  const double arm = dark ? 0.17 + 0.13 * (1 - size) : 0.20 + 0.22 * size;
  const double at = share < 0 ? 0.5 - arm : 0.5 + arm;
  return vik_data[static_cast<std::size_t>(std::lround(at * 255))];
}

double edge_width(double share) { return thinnest + (thickest - thinnest) * std::min(std::abs(share), 1.0); }

Dash edge_dash(EdgeLine line) {
  if (line == EdgeLine::dashed) return {8, 4};
  if (line == EdgeLine::dotted) return {2.5, 2.5};
  return {};
}

std::vector<GraphKey> graph_keys(const GraphFigure& figure, double largest) {
  bool negative = false, positive = false;
  for (const FigureEdge& edge : figure.edges)
    (edge.value < 0 ? negative : positive) = true;
  std::vector<double> shares;
  if (negative) shares = {-1, -0.5};
  if (positive) shares.insert(shares.end(), {0.5, 1});
  const int decimals = decimals_for_range(largest);
  std::vector<GraphKey> keys;
  keys.reserve(shares.size() + figure.line_names.size() + 1);
  for (const double share : shares)
    keys.push_back({format_fixed(share * largest, decimals), share * largest});
  for (const auto& [line, name] : figure.line_names)
    keys.push_back({name, std::nullopt, line});
  if (!figure.ties.empty()) keys.push_back({figure.tie_name, std::nullopt, EdgeLine::solid, true});
  return keys;
}

std::string values_name(const GraphFigure& figure) {
  if (figure.units.empty() || figure.units == "1") return figure.label;
  return figure.label.empty() ? figure.units : figure.label + " (" + figure.units + ")";
}

NodeInk node_ink(NodeKind kind, bool dark) {
  switch (kind) {
  case NodeKind::head: return dark ? NodeInk{0x24405c, 0x6cb2ff, 0xe6e9ed} : NodeInk{0xdcebfb, 0x0b62c4, 0x1b1f24};
  case NodeKind::mlp: return dark ? NodeInk{0x234a3e, 0x2fc79a, 0xe6e9ed} : NodeInk{0xd9f0e7, 0x00795a, 0x1b1f24};
  case NodeKind::input:
  case NodeKind::output: return dark ? NodeInk{0x4d4024, 0xf0c040, 0xe6e9ed} : NodeInk{0xfbefd0, 0x8a6100, 0x1b1f24};
  case NodeKind::group: return dark ? NodeInk{0x4a3355, 0xd9a6ee, 0xe6e9ed} : NodeInk{0xf1e1f8, 0x7b3a96, 0x1b1f24};
  case NodeKind::other: break;
  }
  return dark ? NodeInk{0x353b43, 0x9aa4b0, 0xe6e9ed} : NodeInk{0xeceff2, 0x5f6873, 0x1b1f24};
}

NodeInk faded_ink(NodeKind kind, bool dark) {
  const std::uint32_t page = dark ? 0x16191d : 0xffffff;
  const NodeInk ink = node_ink(kind, dark);
  return {mixed(ink.fill, page, 0.75), mixed(ink.line, page, 0.75), mixed(ink.text, page, 0.55)};
}

EdgeCurve edge_curve(const Rect& src, const Rect& dst, bool rightwards, double port) {
  GraphPoint from{src.x + src.width / 2, src.y + src.height / 2}, to{dst.x + dst.width / 2, dst.y + dst.height / 2};
  // A cubic bends aside by three quarters of its two control points' offset.
  const auto aside = [](double peak) { return peak / 0.75; };
  if (rightwards) {
    from.x = src.x + src.width;
    to = {dst.x, to.y + port * port_share * dst.height};
    const double peak = detour(to.x - from.x, to.y - from.y, src.height, src.width);
    const double reach = std::max(std::abs(to.x - from.x) * (peak > 0 ? 0.15 : 0.45), 14.0);
    return {from, {from.x + reach, from.y - aside(peak)}, {to.x - reach, to.y - aside(peak)}, to};
  }
  from.y = src.y;
  to = {to.x + port * port_share * dst.width, dst.y + dst.height};
  const double peak = detour(from.y - to.y, to.x - from.x, src.width, src.height);
  const double reach = std::max(std::abs(to.y - from.y) * (peak > 0 ? 0.15 : 0.45), 14.0);
  return {from, {from.x - aside(peak), from.y - reach}, {to.x - aside(peak), to.y + reach}, to};
}

Rect bounds_of(const std::vector<Rect>& rects) {
  if (rects.empty()) return {};
  double left = rects[0].x, top = rects[0].y, right = left, bottom = top;
  for (const Rect& rect : rects) {
    left = std::min(left, rect.x);
    top = std::min(top, rect.y);
    right = std::max(right, rect.x + rect.width);
    bottom = std::max(bottom, rect.y + rect.height);
  }
  return {left, top, right - left, bottom - top};
}

} // namespace headscope::figures
