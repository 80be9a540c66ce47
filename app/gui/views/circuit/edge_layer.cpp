// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/edge_layer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <QElapsedTimer>
#include <QPainter>

namespace headscope::gui {
namespace {

constexpr int most_pieces = 40, least_pieces = 8; // straight ones that a curve is drawn with
constexpr double piece_length = 16.0;             // pixels
using Points = std::array<QPointF, most_pieces + 1>;

Points points_of(const figures::EdgeCurve& c, int pieces) {
  Points points;
  for (int i = 0; i <= pieces; ++i) {
    const double t = static_cast<double>(i) / pieces, s = 1 - t;
    const double w[] = {s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t};
    points[static_cast<std::size_t>(i)] = {w[0] * c[0].x + w[1] * c[1].x + w[2] * c[2].x + w[3] * c[3].x,
                                           w[0] * c[0].y + w[1] * c[1].y + w[2] * c[2].y + w[3] * c[3].y};
  }
  return points;
}

// The bounds of the control points, which contain the curve.
QRectF hull_of(const figures::EdgeCurve& c) {
  const auto [left, right] = std::minmax({c[0].x, c[1].x, c[2].x, c[3].x});
  const auto [top, bottom] = std::minmax({c[0].y, c[1].y, c[2].y, c[3].y});
  return {left, top, right - left, bottom - top};
}

double distance(QPointF p, QPointF a, QPointF b) {
  const QPointF along = b - a, to = p - a;
  const double length = QPointF::dotProduct(along, along);
  const double t = length > 0 ? std::clamp(QPointF::dotProduct(to, along) / length, 0.0, 1.0) : 0.0;
  const QPointF off = to - along * t;
  return std::sqrt(QPointF::dotProduct(off, off));
}

} // namespace

QPen line_pen(const QColor& color, double width, figures::EdgeLine line) {
  QPen pen(color, width);
  pen.setCapStyle(Qt::FlatCap);
  pen.setJoinStyle(Qt::BevelJoin);
  if (const figures::Dash dash = figures::edge_dash(line); dash.on > 0)
    pen.setDashPattern({dash.on / width, dash.off / width}); // Qt counts in widths of the pen
  return pen;
}

QPen edge_pen(double share, figures::EdgeLine line, bool dark, double zoom) {
  return line_pen(QColor(QRgb(figures::edge_color(share, dark))), figures::edge_width(share) * zoom, line);
}

void EdgeLayer::restart(const Look& look) {
  const QSize pixels = look.size * look.dpr;
  // A picture that somebody keeps is not copied to be wiped.
  if (picture_.size() != pixels || !picture_.isDetached())
    picture_ = QImage(pixels, QImage::Format_ARGB32_Premultiplied);
  picture_.setDevicePixelRatio(look.dpr);
  picture_.fill(Qt::transparent);
  look_ = look;
  next_ = 0;
}

bool EdgeLayer::draw(const Edges& edges, double milliseconds) {
  if (finished(edges.count)) return true;
  QElapsedTimer clock;
  clock.start();
  QPainter painter(&picture_);
  painter.setRenderHint(QPainter::Antialiasing);
  // Edges drawn later are weaker and go below.
  painter.setCompositionMode(QPainter::CompositionMode_DestinationOver);
  const double zoom = std::clamp(look_.to_view.m11(), 0.5, 2.0);
  const QRectF page(QPointF(0, 0), QSizeF(look_.size));
  const auto limit = static_cast<qint64>(milliseconds * 1e6);
  for (; next_ < edges.count; ++next_) {
    if (next_ % 16 == 15 && clock.nsecsElapsed() > limit) return false;
    const figures::EdgeCurve& curve = edges.curves[next_];
    if (!look_.to_view.mapRect(hull_of(curve)).adjusted(-4, -4, 4, 4).intersects(page)) continue;
    const QPointF span =
        look_.to_view.map(QPointF(curve[3].x, curve[3].y)) - look_.to_view.map(QPointF(curve[0].x, curve[0].y));
    const int pieces = std::clamp(static_cast<int>(span.manhattanLength() / piece_length), least_pieces, most_pieces);
    Points points = points_of(curve, pieces);
    for (int i = 0; i <= pieces; ++i)
      points[static_cast<std::size_t>(i)] = look_.to_view.map(points[static_cast<std::size_t>(i)]);
    const double share = edges.edges[next_].value / edges.largest;
    painter.setPen(edge_pen(share, edges.edges[next_].line, look_.dark, zoom));
    painter.drawPolyline(points.data(), pieces + 1);
  }
  return true;
}

int edge_near(const std::vector<figures::EdgeCurve>& curves, std::size_t count, QPointF place, double reach) {
  int nearest = -1;
  double least = reach;
  for (std::size_t i = 0; i < count; ++i) {
    if (!hull_of(curves[i]).adjusted(-reach, -reach, reach, reach).contains(place)) continue;
    const Points points = points_of(curves[i], most_pieces / 2);
    for (std::size_t p = 0; p < most_pieces / 2; ++p) {
      const double away = distance(place, points[p], points[p + 1]);
      if (away < least) {
        least = away;
        nearest = static_cast<int>(i);
      }
    }
  }
  return nearest;
}

} // namespace headscope::gui
