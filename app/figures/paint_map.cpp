// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <limits>

#include <QImage>
#include <QPainterPath>

#include "app/figures/paint.h"
#include "app/figures/ticks.h"
#include "app/figures/token_label.h"

namespace headscope::figures {

namespace {

// The combined value of the cells that share a pixel.
struct PixelValue {
  enum class Kind { masked, nan, number } kind = Kind::masked;
  double value = 0;
};

PixelValue reduce(const SceneMap& map, std::int64_t row, std::int64_t row_end, std::int64_t col, std::int64_t col_end) {
  const HeatmapFigure& figure = *map.figure;
  PixelValue result;
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t r = row; r < row_end; ++r) {
    for (std::int64_t c = col; c < col_end; ++c) {
      if (masked(figure, r, c)) continue;
      const double value = figure.values[static_cast<std::size_t>(r * figure.cols + c)];
      if (std::isnan(value)) {
        if (count == 0) result.kind = PixelValue::Kind::nan;
        continue;
      }
      result.kind = PixelValue::Kind::number;
      if (count == 0 || map.scale.stronger(value, result.value)) result.value = value;
      sum += value;
      ++count;
    }
  }
  if (count > 0 && figure.reduction == Reduction::mean) result.value = sum / static_cast<double>(count);
  return result;
}

// The first cell of each pixel along one side, and one more at the end.
std::vector<std::int64_t> cell_starts(std::int64_t n, int pixels) {
  std::vector<std::int64_t> starts;
  for (int p = 0; p <= pixels; ++p)
    starts.push_back(n * p / pixels);
  return starts;
}

QImage raster(const Canvas& canvas, const SceneMap& map) {
  const int width = std::max(1, static_cast<int>(std::lround(map.place.cells.width * canvas.dpr)));
  const int height = std::max(1, static_cast<int>(std::lround(map.place.cells.height * canvas.dpr)));
  const auto cols = cell_starts(map.place.cols, width);
  const auto rows = cell_starts(map.place.rows, height);
  QImage image(width, height, QImage::Format_RGB32);
  const QRgb page = canvas.colors.page.rgb();
  const QRgb nan_colors[2] = {canvas.colors.nan_fill.rgb(), canvas.colors.nan_line.rgb()};
  const int hatch = std::max(2, static_cast<int>(std::lround(3 * canvas.dpr)));
  for (int y = 0; y < height; ++y) {
    auto* line = reinterpret_cast<QRgb*>(image.scanLine(y));
    const auto row = static_cast<std::size_t>(y);
    const std::int64_t row_end = std::max(rows[row] + 1, rows[row + 1]);
    for (int x = 0; x < width; ++x) {
      const auto col = static_cast<std::size_t>(x);
      const PixelValue value = reduce(map, rows[row], row_end, cols[col], std::max(cols[col] + 1, cols[col + 1]));
      if (value.kind == PixelValue::Kind::number)
        line[x] = 0xff000000U | map.scale.color(value.value);
      else if (value.kind == PixelValue::Kind::nan)
        line[x] = nan_colors[(x + y) % hatch == 0 ? 1 : 0];
      else
        line[x] = page;
    }
  }
  return image;
}

// Chooses dark text on bright colours and the reverse, by perceived luminance.
QColor text_on(std::uint32_t rgb) {
  const auto linear = [](std::uint32_t part) {
    const double v = part / 255.0;
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  const double luminance =
      0.2126 * linear(rgb >> 16 & 255) + 0.7152 * linear(rgb >> 8 & 255) + 0.0722 * linear(rgb & 255);
  return luminance > 0.18 ? QColor(0x101418) : QColor(0xffffff);
}

void paint_cell(const Canvas& canvas, const SceneMap& map, std::int64_t row, std::int64_t col) {
  const HeatmapFigure& figure = *map.figure;
  if (masked(figure, row, col)) return;
  const QRectF area = to_qt(map.place.cell_rect(row, col)).adjusted(0.5, 0.5, -0.5, -0.5);
  const float value = figure.values[static_cast<std::size_t>(row * figure.cols + col)];
  if (std::isnan(value)) {
    paint_nan(canvas, area);
    return;
  }
  const std::uint32_t color = map.scale.color(value);
  canvas.painter.fillRect(area, QColor::fromRgb(0xff000000U | color));
  std::string text;
  if (map.cell_texts)
    text = shortened(FontRole::cell,
                     drawable_text(token_label(figure.cell_texts[static_cast<std::size_t>(row * figure.cols + col)])),
                     area.width() - 2);
  else if (map.decimals >= 0)
    text = format_fixed(value, map.decimals);
  if (text.empty()) return;
  canvas.painter.setFont(font(FontRole::cell));
  canvas.painter.setPen(text_on(color));
  canvas.painter.drawText(QPointF(area.center().x() - text_width(FontRole::cell, text) / 2,
                                  area.center().y() - line_height(FontRole::cell) / 2 + ascent(FontRole::cell)),
                          QString::fromStdString(text));
}

void paint_mark(const Canvas& canvas, const SceneMap& map, const Mark& mark) {
  QRectF area = to_qt(map.place.cell_rect(mark.row, mark.col));
  // A cell too small for an outline, which would hide it, gets a ring instead.
  constexpr double least = 7;
  const double grow_x = std::max(0.0, (least - area.width()) / 2);
  const double grow_y = std::max(0.0, (least - area.height()) / 2);
  area.adjust(-grow_x, -grow_y, grow_x, grow_y);
  canvas.painter.setBrush(Qt::NoBrush);
  QPen pen(canvas.colors.page, 3.5);
  pen.setJoinStyle(Qt::MiterJoin);
  canvas.painter.setPen(pen);
  canvas.painter.drawRect(area);
  pen.setColor(canvas.colors.accent);
  pen.setWidthF(2);
  canvas.painter.setPen(pen);
  canvas.painter.drawRect(area);
}

} // namespace

void paint_nan(const Canvas& canvas, const QRectF& area) {
  QPainter& painter = canvas.painter;
  painter.fillRect(area, canvas.colors.nan_fill);
  painter.setPen(QPen(canvas.colors.nan_line, 1));
  const double side = area.width() + area.height();
  for (double d = 4; d < side; d += 5) {
    // Draws x + y = d, clipped to the rectangle by hand, since a clip path would enlarge an SVG.
    const QPointF from(std::min(d, area.width()), std::max(0.0, d - area.width()));
    const QPointF to(std::max(0.0, d - area.height()), std::min(d, area.height()));
    painter.drawLine(area.topLeft() + from, area.topLeft() + to);
  }
}

// What is drawn over the cells: below the diagonal of a causal map alone.
void paint_regions(const Canvas& canvas, const SceneMap& map) {
  const HeatmapFigure& figure = *map.figure;
  if (figure.regions.empty() && figure.row_lines.empty() && figure.col_lines.empty()) return;
  QPainter& painter = canvas.painter;
  painter.save();
  const QRectF cells = to_qt(map.place.cells);
  const double width = cells.width() / static_cast<double>(figure.cols),
               height = cells.height() / static_cast<double>(figure.rows);
  const QColor ink(QRgb(0xff000000U | region_color));
  painter.setClipRect(cells);
  if (figure.causal_mask) {
    QPainterPath below; // the cells that are not masked, row by row
    for (std::int64_t row = 0; row < figure.rows; ++row)
      below.addRect(QRectF(cells.left(), cells.top() + height * static_cast<double>(row),
                           width * static_cast<double>(figure.cols - figure.rows + row + 1), height));
    painter.setClipPath(below, Qt::IntersectClip);
  }
  for (const Region& region : figure.regions) {
    const QRectF area(cells.left() + width * static_cast<double>(region.col_begin),
                      cells.top() + height * static_cast<double>(region.row_begin),
                      width * static_cast<double>(region.col_end - region.col_begin),
                      height * static_cast<double>(region.row_end - region.row_begin));
    QColor tint = ink;
    tint.setAlphaF(static_cast<float>(0.35 * std::clamp(region.strength, 0.0, 1.0)));
    painter.fillRect(area, tint);
    if (std::min(area.width(), area.height()) < 3.0) continue; // an outline would be all of it
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(ink, 0.8));
    painter.drawRect(area);
  }
  painter.setPen(QPen(ink, 0.8, Qt::DashLine));
  for (const std::int64_t row : figure.row_lines)
    painter.drawLine(QPointF(cells.left(), cells.top() + height * static_cast<double>(row)),
                     QPointF(cells.right(), cells.top() + height * static_cast<double>(row)));
  for (const std::int64_t col : figure.col_lines)
    painter.drawLine(QPointF(cells.left() + width * static_cast<double>(col), cells.top()),
                     QPointF(cells.left() + width * static_cast<double>(col), cells.bottom()));
  painter.restore();
}

void paint_map(const Canvas& canvas, const SceneMap& map) {
  const Rect& cells = map.place.cells;
  if (map.separate_cells) {
    canvas.painter.setRenderHint(QPainter::Antialiasing, false);
    for (std::int64_t row = 0; row < map.place.rows; ++row) {
      for (std::int64_t col = 0; col < map.place.cols; ++col)
        paint_cell(canvas, map, row, col);
    }
    canvas.painter.setRenderHint(QPainter::Antialiasing, true);
  } else {
    const QImage image = raster(canvas, map);
    canvas.painter.drawImage(QRectF(std::round(cells.x * canvas.dpr) / canvas.dpr,
                                    std::round(cells.y * canvas.dpr) / canvas.dpr, image.width() / canvas.dpr,
                                    image.height() / canvas.dpr),
                             image);
    canvas.painter.setBrush(Qt::NoBrush);
    canvas.painter.setPen(QPen(canvas.colors.axis, 1));
    canvas.painter.drawRect(to_qt(cells).adjusted(-0.5, -0.5, 0.5, 0.5));
  }
  paint_regions(canvas, map);
  for (const Mark& mark : map.figure->marks)
    paint_mark(canvas, map, mark);
}

void paint_color_bar(const Canvas& canvas, const SceneBar& bar) {
  const int height = std::max(2, static_cast<int>(std::lround(bar.box.height * canvas.dpr)));
  const int width = std::max(1, static_cast<int>(std::lround(bar.box.width * canvas.dpr)));
  QImage image(width, height, QImage::Format_RGB32);
  for (int y = 0; y < height; ++y) {
    const double share = 1 - static_cast<double>(y) / (height - 1);
    const QRgb color = 0xff000000U | bar.scale.color_at(share);
    std::fill_n(reinterpret_cast<QRgb*>(image.scanLine(y)), width, color);
  }
  QPainter& painter = canvas.painter;
  painter.drawImage(to_qt(bar.box), image);
  const QRectF box = to_qt(bar.box);
  painter.setPen(Qt::NoPen);
  const auto arrow = [&](double y, double tip, std::uint32_t color) {
    painter.setBrush(QColor::fromRgb(0xff000000U | color));
    painter.drawPolygon(QPolygonF({{box.left(), y}, {box.right(), y}, {box.center().x(), tip}}));
  };
  if (bar.scale.clips_high) arrow(box.top() - 1, box.top() - 8, bar.scale.color_at(1));
  if (bar.scale.clips_low) arrow(box.bottom() + 1, box.bottom() + 8, bar.scale.color_at(0));
  if (!bar.nan_swatch) return;
  painter.setRenderHint(QPainter::Antialiasing, false);
  paint_nan(canvas, to_qt(*bar.nan_swatch));
  painter.setRenderHint(QPainter::Antialiasing, true);
}

} // namespace headscope::figures
