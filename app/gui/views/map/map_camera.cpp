// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/map_camera.h"

#include <algorithm>

namespace headscope::gui {
namespace {
// Limits cells when fitting, so that a short prompt does not fill a large screen with a few giant cells.
constexpr double largest_fitting_cell = 64.0;
} // namespace

void MapCamera::set_map(std::int64_t rows, std::int64_t cols) {
  if (rows == rows_ && cols == cols_) return;
  rows_ = rows;
  cols_ = cols;
  fit();
}

void MapCamera::set_area(const QRectF& area) {
  if (area == area_) return;
  area_ = area;
  if (place_.fitted)
    fit();
  else
    clamp();
}

void MapCamera::set_place(const Viewport& place) {
  place_ = place;
  if (place_.fitted)
    fit();
  else
    clamp();
}

double MapCamera::fitting_cell() const {
  if (rows_ == 0 || cols_ == 0) return 1.0;
  const double cell = std::min(area_.width() / static_cast<double>(cols_), area_.height() / static_cast<double>(rows_));
  return std::clamp(cell, 1e-6, largest_fitting_cell);
}

void MapCamera::fit() {
  place_ = {QPointF(static_cast<double>(cols_) / 2, static_cast<double>(rows_) / 2), fitting_cell(), true};
}

void MapCamera::zoom(double factor, QPointF at) {
  const QPointF under = to_map(at);
  place_.cell = std::clamp(place_.cell * factor, fitting_cell(), std::max(largest_cell, fitting_cell()));
  place_.center = under - (at - area_.center()) / place_.cell;
  place_.fitted = place_.cell <= fitting_cell() * 1.0001;
  clamp();
}

void MapCamera::pan(QPointF pixels) {
  place_.center -= pixels / place_.cell;
  clamp();
}

void MapCamera::center_on(double col, double row, double cell) {
  place_ = {QPointF(col, row), std::clamp(cell, fitting_cell(), std::max(largest_cell, fitting_cell())), false};
  clamp();
}

// Keeps the map filling the area, or centred where it is smaller.
void MapCamera::clamp() {
  const auto axis = [](double center, double size, double seen) {
    return seen >= size ? size / 2 : std::clamp(center, seen / 2, size - seen / 2);
  };
  place_.cell = std::max(place_.cell, fitting_cell());
  place_.center = {axis(place_.center.x(), static_cast<double>(cols_), area_.width() / place_.cell),
                   axis(place_.center.y(), static_cast<double>(rows_), area_.height() / place_.cell)};
}

QPointF MapCamera::to_screen(double col, double row) const {
  return area_.center() + (QPointF(col, row) - place_.center) * place_.cell;
}

QPointF MapCamera::to_map(QPointF screen) const { return place_.center + (screen - area_.center()) / place_.cell; }

QRectF MapCamera::map_rect() const {
  return {to_screen(0, 0), to_screen(static_cast<double>(cols_), static_cast<double>(rows_))};
}

QRectF MapCamera::visible() const { return map_rect().intersected(area_); }

} // namespace headscope::gui
