// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers of tokens beside their map: one or two rows as lines, more as a strip of cells; or numbers by distance. Under
// a map each token's number stands below its column.
#pragma once

#include <QWidget>

#include "core/mechanisms/explanation.h"

namespace headscope::gui {

class MapCanvas;

class TraceStrip : public QWidget {
  Q_OBJECT
public:
  explicit TraceStrip(QWidget* parent = nullptr);

  // `map`: whose columns the tokens are; null: they have all the width.
  void set_trace(mechanisms::Explanation trace, const MapCanvas* map);
  const mechanisms::Explanation& trace() const { return trace_; }
  // The index of the axis at a place of the widget, and where an index is.
  std::optional<std::int64_t> index_at(double x) const;
  double place_of(std::int64_t index) const; // the middle

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return sizeHint(); }

protected:
  void paintEvent(QPaintEvent* event) override;
  bool event(QEvent* event) override;

private:
  bool as_lines() const { return trace_.values.size() <= 2; }
  std::int64_t count() const;
  QRectF area() const;
  double margin() const; // for the names of rows, or the numbers of the axis
  void paint_lines(QPainter& painter, const QRectF& area) const;
  void paint_cells(QPainter& painter, const QRectF& area) const;
  QString text_at(std::int64_t index) const;

  mechanisms::Explanation trace_;
  const MapCanvas* map_ = nullptr;
  double low_ = 0.0, high_ = 1.0;
};

} // namespace headscope::gui
