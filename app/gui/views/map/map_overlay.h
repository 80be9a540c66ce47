// SPDX-License-Identifier: GPL-3.0-or-later
// Paints over and beside a map's tiles: labels of the axes, values and borders of large cells, crosshair and pinned
// lines, and the tag at the pointer.
#pragma once

#include "app/gui/views/map/map_canvas.h"
#include "app/gui/views/map/text_cache.h"

namespace headscope::gui {

class MapOverlay {
public:
  MapOverlay(QPainter& painter, const MapCanvas& canvas, const MapCanvas::Labels& labels, TextCache& texts);

  void cells(); // borders and values, where there is room
  void explanation(const mechanisms::Explanation& of);
  static QColor group_color(std::int64_t group);
  void pinned(std::optional<std::int64_t> query, std::optional<std::int64_t> key);
  void crosshair(MapCanvas::Cell cell);
  void axes(std::optional<std::int64_t> query, std::optional<std::int64_t> key); // these labels are highlighted
  void tag(MapCanvas::Cell cell, QPointF pointer);

  // The step between numbered labels: 1, 2, 5, 10, …, at least `least`.
  static std::int64_t nice_step(double least);

private:
  struct Range {
    std::int64_t begin = 0, end = 0;
  };
  Range range(Qt::Orientation axis) const; // what is seen of an axis
  void borders(Range rows, Range cols);
  void weights(Range rows, Range cols);
  void legend(const mechanisms::Explanation& of);
  void regions(const mechanisms::Explanation& of);
  void boundaries(const mechanisms::Explanation& of);
  void groups(Qt::Orientation axis, const std::vector<std::int64_t>& of);
  void axis_labels(Qt::Orientation axis, std::optional<std::int64_t> marked);
  void label(Qt::Orientation axis, std::int64_t index, const QString& text, bool marked, bool tick);
  void line(Qt::Orientation axis, std::int64_t index, const QColor& color);

  QPainter& painter_;
  const MapCanvas& canvas_;
  const MapCamera& camera_;
  const MapCanvas::Labels& labels_;
  TextCache& texts_;
  QFontMetricsF metrics_;
};

} // namespace headscope::gui
