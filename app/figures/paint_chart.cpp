// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>

#include <QPainterPath>
#include <QPolygonF>

#include "app/figures/paint.h"

namespace headscope::figures {

namespace {

QColor series_color(const Canvas& canvas, std::size_t at) {
  return canvas.colors.series[at % canvas.colors.series.size()];
}

double low_error(const Series& series, std::size_t at) { return series.error_low.empty() ? 0 : series.error_low[at]; }

double high_error(const Series& series, std::size_t at) {
  return series.error_high.empty() ? low_error(series, at) : series.error_high[at];
}

bool has_errors(const Series& series) { return !series.error_low.empty() || !series.error_high.empty(); }

void paint_whisker(const Canvas& canvas, double x, double from, double to, const QColor& color) {
  if (!std::isfinite(from) || !std::isfinite(to)) return;
  canvas.painter.setPen(QPen(color, 1.2));
  canvas.painter.drawLine(QPointF(x, from), QPointF(x, to));
  canvas.painter.drawLine(QPointF(x - 3, from), QPointF(x + 3, from));
  canvas.painter.drawLine(QPointF(x - 3, to), QPointF(x + 3, to));
}

// Series differ in shape as well as in colour.
void paint_marker(const Canvas& canvas, std::size_t series, const QPointF& at) {
  QPainter& painter = canvas.painter;
  painter.setPen(QPen(canvas.colors.page, 1));
  painter.setBrush(series_color(canvas, series));
  constexpr double r = 4;
  switch (series % 4) {
  case 0: painter.drawEllipse(at, r, r); break;
  case 1: painter.drawRect(QRectF(at.x() - r * 0.9, at.y() - r * 0.9, r * 1.8, r * 1.8)); break;
  case 2:
    painter.drawPolygon(
        QPolygonF({at + QPointF(0, -r * 1.2), at + QPointF(r * 1.1, r * 0.8), at + QPointF(-r * 1.1, r * 0.8)}));
    break;
  default:
    painter.drawPolygon(QPolygonF(
        {at + QPointF(0, -r * 1.2), at + QPointF(r * 1.2, 0), at + QPointF(0, r * 1.2), at + QPointF(-r * 1.2, 0)}));
    break;
  }
}

void paint_bars(const Canvas& canvas, const SceneChart& chart) {
  const BarFigure& figure = *chart.bars;
  const std::size_t n = figure.series.front().y.size();
  const auto count = static_cast<double>(figure.series.size());
  const double zero = chart.y.pixel(0);
  const double fill = figure.bin_edges.empty() ? 0.76 : 1;
  for (std::size_t s = 0; s < figure.series.size(); ++s) {
    const Series& series = figure.series[s];
    for (std::size_t i = 0; i < n; ++i) {
      if (!std::isfinite(series.y[i])) continue;
      const auto index = static_cast<double>(i);
      const double left = chart.x.pixel(figure.bin_edges.empty() ? index : figure.bin_edges[i]);
      const double right = chart.x.pixel(figure.bin_edges.empty() ? index + 1 : figure.bin_edges[i + 1]);
      const double slot = (right - left) * fill / count;
      const double x = left + (right - left) * (1 - fill) / 2 + slot * static_cast<double>(s);
      const double gap = slot > 4 ? 1 : 0;
      const double y = chart.y.pixel(series.y[i]);
      canvas.painter.fillRect(QRectF(x, std::min(y, zero), std::max(slot - gap, 0.5), std::abs(zero - y)),
                              series_color(canvas, s));
      if (!has_errors(series)) continue;
      paint_whisker(canvas, x + (slot - gap) / 2, chart.y.pixel(series.y[i] - low_error(series, i)),
                    chart.y.pixel(series.y[i] + high_error(series, i)), canvas.colors.text);
    }
  }
  canvas.painter.setPen(QPen(canvas.colors.axis, 1));
  canvas.painter.drawLine(QPointF(chart.plot.x, zero), QPointF(chart.plot.x + chart.plot.width, zero));
}

struct Point {
  QPointF at;
  double low = 0, high = 0; // pixels of the error's ends
};

// The stretches of a series between its gaps. On a logarithmic axis values that are not positive are gaps.
std::vector<std::vector<Point>> stretches(const SceneChart& chart, const Series& series) {
  std::vector<std::vector<Point>> result(1);
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    const double x = chart.x.pixel(series.x.empty() ? static_cast<double>(i) : series.x[i]);
    const double y = chart.y.pixel(series.y[i]);
    if (!std::isfinite(x) || !std::isfinite(y)) {
      if (!result.back().empty()) result.emplace_back();
      continue;
    }
    Point point{
        {x, y}, chart.y.pixel(series.y[i] - low_error(series, i)), chart.y.pixel(series.y[i] + high_error(series, i))};
    if (!std::isfinite(point.low)) point.low = chart.y.from;
    if (!std::isfinite(point.high)) point.high = y;
    result.back().push_back(point);
  }
  return result;
}

void paint_band(const Canvas& canvas, const std::vector<Point>& points, QColor color) {
  QPolygonF band;
  for (const Point& point : points)
    band << QPointF(point.at.x(), point.high);
  for (auto point = points.rbegin(); point != points.rend(); ++point)
    band << QPointF(point->at.x(), point->low);
  color.setAlphaF(0.2F);
  canvas.painter.setPen(Qt::NoPen);
  canvas.painter.setBrush(color);
  canvas.painter.drawPolygon(band);
}

void paint_series(const Canvas& canvas, const SceneChart& chart, std::size_t s) {
  constexpr std::size_t whiskers_up_to = 30; // beyond, a band reads better
  const Series& series = chart.lines->series[s];
  const QColor color = series_color(canvas, s);
  const bool few = series.y.size() <= whiskers_up_to;
  for (const auto& points : stretches(chart, series)) {
    if (has_errors(series) && !few && !points.empty()) paint_band(canvas, points, color);
    QPolygonF line;
    for (const Point& point : points)
      line << point.at;
    QPen pen(color, 2);
    pen.setJoinStyle(Qt::RoundJoin);
    canvas.painter.setPen(pen);
    if (line.size() > 1) canvas.painter.drawPolyline(line);
    for (const Point& point : points) {
      if (has_errors(series) && few) paint_whisker(canvas, point.at.x(), point.low, point.high, color);
      if ((chart.lines->markers && series.y.size() <= 60) || line.size() == 1) paint_marker(canvas, s, point.at);
    }
  }
}

void paint_key(const Canvas& canvas, const SceneChart& chart, std::size_t s) {
  const QRectF key = to_qt(chart.legend_keys[s]);
  if (key.isEmpty()) return;
  if (chart.bars) {
    canvas.painter.fillRect(key.adjusted(1, 1, -1, -1), series_color(canvas, s));
    return;
  }
  canvas.painter.setPen(QPen(series_color(canvas, s), 2));
  canvas.painter.drawLine(QPointF(key.left() - 1, key.center().y()), QPointF(key.right() + 1, key.center().y()));
  if (chart.lines->markers) paint_marker(canvas, s, key.center());
}

} // namespace

void paint_chart(const Canvas& canvas, const SceneChart& chart) {
  if (chart.bars)
    paint_bars(canvas, chart);
  else {
    canvas.painter.setPen(QPen(canvas.colors.axis, 1));
    const double bottom = chart.plot.y + chart.plot.height;
    canvas.painter.drawLine(QPointF(chart.plot.x, bottom), QPointF(chart.plot.x + chart.plot.width, bottom));
    for (std::size_t s = 0; s < chart.lines->series.size(); ++s)
      paint_series(canvas, chart, s);
  }
  for (std::size_t s = 0; s < chart.legend_keys.size(); ++s)
    paint_key(canvas, chart, s);
}

} // namespace headscope::figures
