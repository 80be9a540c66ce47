// SPDX-License-Identifier: GPL-3.0-or-later
// The visible part of a map and its zoom, with one scale for both axes.
#pragma once

#include <cstdint>

#include <QPointF>
#include <QRectF>

namespace headscope::gui {

class MapCamera {
public:
  // Set the size of the map in weights (0: none), and of the widget in pixels. Both keep the centre of the view.
  void set_map(std::int64_t rows, std::int64_t cols);
  void set_area(const QRectF& area);
  const QRectF& area() const { return area_; }

  // The map's position, shared by several maps side by side.
  struct Viewport {
    QPointF center;    // column and row in the middle of the area
    double cell = 0.0; // pixels a weight
    bool fitted = true;
    friend bool operator==(const Viewport&, const Viewport&) = default;
  };
  const Viewport& place() const { return place_; }
  void set_place(const Viewport& place);

  double cell() const { return place_.cell; }
  double fitting_cell() const;
  static constexpr double largest_cell = 160.0;

  void fit();
  bool fitted() const { return place_.fitted; } // stays so when the area changes
  void zoom(double factor, QPointF at);         // what is under `at` stays there
  void pan(QPointF pixels);
  void center_on(double col, double row, double cell);

  QPointF to_screen(double col, double row) const;
  QPointF to_map(QPointF screen) const; // column and row
  QRectF map_rect() const;              // the whole map
  QRectF visible() const;               // of the area: what the map covers

private:
  void clamp();

  std::int64_t rows_ = 0, cols_ = 0;
  QRectF area_;
  Viewport place_;
};

} // namespace headscope::gui
