// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/map_overlay.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <QPainterPath>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

// Where labels are farther apart than this many weights, positions are shown instead of tokens.
constexpr std::int64_t sparsest_tokens = 4;

QColor overlay_ink() { return QColor(QRgb(0xff000000U | figures::region_color)); }

QString weight_text(double weight) { return QString::number(weight, 'f', weight < 0.0995 ? 3 : 2); }

} // namespace

MapOverlay::MapOverlay(QPainter& painter, const MapCanvas& canvas, const MapCanvas::Labels& labels, TextCache& texts)
    : painter_(painter), canvas_(canvas), camera_(canvas.camera()), labels_(labels), texts_(texts),
      metrics_(canvas.font()) {}

MapOverlay::Range MapOverlay::range(Qt::Orientation axis) const {
  const QRectF seen = camera_.visible();
  const QPointF first = camera_.to_map(seen.topLeft()), last = camera_.to_map(seen.bottomRight());
  const bool rows = axis == Qt::Vertical;
  const std::int64_t size = rows ? canvas_.map()->shape().n_query : canvas_.map()->shape().n_key;
  const auto begin = static_cast<std::int64_t>(std::floor((rows ? first.y() : first.x()) + 1e-6));
  const auto end = static_cast<std::int64_t>(std::ceil((rows ? last.y() : last.x()) - 1e-6));
  return {std::clamp<std::int64_t>(begin, 0, size), std::clamp<std::int64_t>(end, 0, size)};
}

std::int64_t MapOverlay::nice_step(double least) {
  for (std::int64_t decade = 1;; decade *= 10)
    for (const std::int64_t factor : {1, 2, 5})
      if (static_cast<double>(factor * decade) >= least) return factor * decade;
}

void MapOverlay::cells() {
  const Range rows = range(Qt::Vertical), cols = range(Qt::Horizontal);
  if (camera_.cell() < metrics_.height() * 0.7) return;
  painter_.save();
  painter_.setClipRect(camera_.visible());
  borders(rows, cols);
  const double room = metrics_.horizontalAdvance(QStringLiteral("0.000")) + metrics_.averageCharWidth();
  if (camera_.cell() >= room) weights(rows, cols);
  painter_.restore();
}

// Draws borders as rectangles one pixel wide, which are filled many times faster than lines are drawn.
void MapOverlay::borders(Range rows, Range cols) {
  const MapShape shape = canvas_.map()->shape();
  const double pixel = 1.0 / canvas_.devicePixelRatioF();
  const QBrush ink(inks().page);
  const auto fill = [&](QPointF from, QPointF to) {
    painter_.fillRect(QRectF(from, QSizeF(std::max(to.x() - from.x(), pixel), std::max(to.y() - from.y(), pixel))),
                      ink);
  };
  for (std::int64_t q = rows.begin; q < rows.end; ++q) { // to the diagonal
    const std::int64_t end = std::min(cols.end, shape.last_key(q) + 1);
    if (end > cols.begin)
      fill(canvas_.cell_rect({q, cols.begin}).topLeft(), canvas_.cell_rect({q, end - 1}).topRight());
  }
  for (std::int64_t k = cols.begin; k < cols.end; ++k) { // from it
    const std::int64_t begin = std::max(rows.begin, k - shape.n_key + shape.n_query);
    if (begin < rows.end)
      fill(canvas_.cell_rect({begin, k}).topLeft(), canvas_.cell_rect({rows.end - 1, k}).bottomLeft());
  }
}

void MapOverlay::weights(Range rows, Range cols) {
  const MapShape shape = canvas_.map()->shape();
  for (std::int64_t q = rows.begin; q < rows.end; ++q)
    for (std::int64_t k = cols.begin; k < std::min(cols.end, shape.last_key(q) + 1); ++k) {
      const auto value = canvas_.value({q, k});
      if (!value || value->level > 0 || std::isnan(value->weight)) continue;
      const auto weight = static_cast<double>(value->weight);
      texts_.draw(painter_, canvas_.cell_rect({q, k}).center(), Qt::AlignCenter, weight_text(weight),
                  {text_on(value_color(canvas_.tiles().scale(), weight))});
    }
}

// ---- What a mechanism chose

// Colours of groups are far apart for numbers that are near.
QColor MapOverlay::group_color(std::int64_t group) {
  const double turn = 0.618033988749895 * static_cast<double>(group);
  return QColor::fromHsvF(static_cast<float>(turn - std::floor(turn)), 0.75F, is_dark() ? 0.95F : 0.75F);
}

void MapOverlay::explanation(const mechanisms::Explanation& of) {
  using Kind = mechanisms::ExplanationKind;
  if (of.kind == Kind::numbers) return; // has a strip of its own
  painter_.save();
  painter_.setClipRect(camera_.visible());
  if (of.kind == Kind::regions) regions(of);
  if (of.kind == Kind::boundaries) boundaries(of);
  if (of.kind == Kind::groups) {
    groups(Qt::Vertical, of.query_groups);
    groups(Qt::Horizontal, of.key_groups);
  }
  painter_.restore();
  legend(of);
}

// Above the map at its right, beside the name of the axis.
void MapOverlay::legend(const mechanisms::Explanation& of) {
  const QRectF area = camera_.visible();
  QString text = QString::fromStdString(of.title);
  if (of.kind == mechanisms::ExplanationKind::groups) text = MapCanvas::tr("%1: a colour each").arg(text);
  const double largest = std::accumulate(of.regions.begin(), of.regions.end(), 0.0,
                                         [](double most, const auto& each) { return std::max(most, each.value); });
  if (std::ranges::any_of(of.regions, [&](const auto& each) { return each.value != largest; }))
    text = MapCanvas::tr("%1, up to %2").arg(text).arg(largest, 0, 'g', 3);
  const double high = metrics_.height(), begin = area.left() + metrics_.horizontalAdvance(labels_.query_axis) / 2;
  const double right = canvas_.width() - metrics_.averageCharWidth(), room = right - begin - 1.5 * high;
  text = metrics_.elidedText(text, Qt::ElideRight, room);
  const double left = right - metrics_.horizontalAdvance(text);
  painter_.setPen(inks().text);
  painter_.drawText(QPointF(left, area.top() - 0.3 * metrics_.averageCharWidth() - metrics_.descent()), text);
  if (of.kind == mechanisms::ExplanationKind::groups) return;
  painter_.fillRect(QRectF(left - high, area.top() - 0.8 * high, 0.6 * high, 0.6 * high), overlay_ink());
}

// Below the diagonal, as the map.
void MapOverlay::regions(const mechanisms::Explanation& of) {
  const Range rows = range(Qt::Vertical), cols = range(Qt::Horizontal);
  const MapShape shape = canvas_.map()->shape();
  QPainterPath seen; // the cells of the rows in sight that are not later than their query
  for (std::int64_t q = rows.begin; q < rows.end; ++q)
    seen.addRect(QRectF(camera_.to_screen(0.0, static_cast<double>(q)),
                        camera_.to_screen(static_cast<double>(shape.last_key(q) + 1), static_cast<double>(q + 1))));
  painter_.setClipPath(seen, Qt::IntersectClip);
  double largest = 0.0;
  for (const auto& region : of.regions)
    largest = std::max(largest, region.value);
  QColor tint = overlay_ink();
  painter_.setBrush(Qt::NoBrush);
  for (const auto& region : of.regions) {
    if (region.query_end <= rows.begin || region.query_begin >= rows.end || region.key_end <= cols.begin ||
        region.key_begin >= cols.end)
      continue;
    const QRectF area(camera_.to_screen(static_cast<double>(region.key_begin), static_cast<double>(region.query_begin)),
                      camera_.to_screen(static_cast<double>(region.key_end), static_cast<double>(region.query_end)));
    tint.setAlphaF(static_cast<float>(0.4 * std::max(0.0, region.value) / largest));
    painter_.fillRect(area, tint);
    if (std::min(area.width(), area.height()) < 6.0) continue; // an outline would be all of it
    painter_.setPen(QPen(overlay_ink(), 0));
    painter_.drawRect(area);
  }
}

// Where something begins on both axes.
void MapOverlay::boundaries(const mechanisms::Explanation& of) {
  const MapShape shape = canvas_.map()->shape();
  painter_.setPen(QPen(overlay_ink(), 0, Qt::DashLine));
  for (const std::int64_t at : of.boundaries) {
    const auto place = static_cast<double>(at);
    if (at < shape.n_key)
      painter_.drawLine(camera_.to_screen(place, place - static_cast<double>(shape.n_key - shape.n_query)),
                        camera_.to_screen(place, static_cast<double>(shape.n_query)));
    if (const auto row = place - static_cast<double>(shape.n_key - shape.n_query); row > 0)
      painter_.drawLine(camera_.to_screen(0, row), camera_.to_screen(place, row));
  }
}

// A strip along the axis, inside of the map: at the left for queries, at the bottom for keys.
void MapOverlay::groups(Qt::Orientation axis, const std::vector<std::int64_t>& of) {
  const double thick = std::max(4.0, metrics_.height() * 0.5);
  const QRectF area = camera_.visible();
  const Range seen = range(axis);
  for (std::int64_t i = seen.begin; i < std::min(seen.end, std::ssize(of)); ++i) {
    const std::int64_t group = of[static_cast<std::size_t>(i)];
    if (group < 0) continue;
    const auto at = static_cast<double>(i);
    const QPointF from = camera_.to_screen(at, at), to = camera_.to_screen(at + 1, at + 1);
    painter_.fillRect(axis == Qt::Vertical ? QRectF(area.left(), from.y(), thick, to.y() - from.y())
                                           : QRectF(from.x(), area.bottom() - thick, to.x() - from.x(), thick),
                      group_color(group));
  }
}

void MapOverlay::line(Qt::Orientation axis, std::int64_t index, const QColor& color) {
  const QRectF seen = camera_.visible();
  const QPointF from = camera_.to_screen(static_cast<double>(index), static_cast<double>(index));
  const QPointF to = camera_.to_screen(static_cast<double>(index + 1), static_cast<double>(index + 1));
  QRectF band = axis == Qt::Vertical ? QRectF(seen.left(), from.y(), seen.width(), to.y() - from.y())
                                     : QRectF(from.x(), seen.top(), to.x() - from.x(), seen.height());
  painter_.setPen(QPen(color, 0));
  if (camera_.cell() < 4.0) { // too thin for two edges
    const QPointF middle = band.center();
    if (axis == Qt::Vertical)
      painter_.drawLine(QPointF(seen.left(), middle.y()), QPointF(seen.right(), middle.y()));
    else
      painter_.drawLine(QPointF(middle.x(), seen.top()), QPointF(middle.x(), seen.bottom()));
    return;
  }
  painter_.setBrush(Qt::NoBrush);
  painter_.drawRect(band);
}

void MapOverlay::pinned(std::optional<std::int64_t> query, std::optional<std::int64_t> key) {
  painter_.save();
  painter_.setClipRect(camera_.visible());
  if (query) line(Qt::Vertical, *query, inks().accent);
  if (key) line(Qt::Horizontal, *key, inks().accent);
  if (query && key && camera_.cell() >= 4.0) {
    painter_.setPen(QPen(inks().accent, 2));
    painter_.drawRect(canvas_.cell_rect({*query, *key}));
  }
  painter_.restore();
}

void MapOverlay::crosshair(MapCanvas::Cell cell) {
  painter_.save();
  painter_.setClipRect(camera_.visible());
  QColor ink = inks().muted;
  line(Qt::Vertical, cell.query, ink);
  line(Qt::Horizontal, cell.key, ink);
  painter_.restore();
}

void MapOverlay::label(Qt::Orientation axis, std::int64_t index, const QString& text, bool marked, bool tick) {
  const auto at = static_cast<double>(index) + 0.5;
  const QPointF on = camera_.to_screen(at, at);
  const QRectF area = camera_.visible();
  const bool rows = axis == Qt::Vertical;
  if (rows ? on.y() < area.top() || on.y() > area.bottom() : on.x() < area.left() || on.x() > area.right()) return;
  const double gap = metrics_.averageCharWidth() * 0.6;
  TextCache::Style style{marked ? inks().accent : inks().text, marked};
  painter_.setPen(style.color);
  if (axis == Qt::Vertical) {
    if (tick) painter_.drawLine(QPointF(area.left() - gap * 0.7, on.y()), QPointF(area.left(), on.y()));
    style.room = area.left() - 2 * gap;
    return texts_.draw(painter_, {area.left() - gap, on.y()}, Qt::AlignRight | Qt::AlignVCenter, text, style);
  }
  if (tick) painter_.drawLine(QPointF(on.x(), area.bottom()), QPointF(on.x(), area.bottom() + gap * 0.7));
  const QPointF under(on.x(), area.bottom() + gap);
  if (tick) return texts_.draw(painter_, under, Qt::AlignHCenter | Qt::AlignTop, text, style); // short: level
  style.upwards = true;
  style.room = canvas_.height() - area.bottom() - 2 * gap - metrics_.height();
  texts_.draw(painter_, under, Qt::AlignHCenter | Qt::AlignTop, text, style);
}

// Puts labels at even intervals of the whole axis, so that they stay on their tokens while the map moves.
void MapOverlay::axis_labels(Qt::Orientation axis, std::optional<std::int64_t> marked) {
  const Range seen = range(axis);
  const double line_room = metrics_.height() * 1.05;
  const auto every = static_cast<std::int64_t>(std::ceil(line_room / camera_.cell() - 1e-6));
  const bool tokens = !labels_.numbered || every <= sparsest_tokens;
  const MapCanvas::Label& text = axis == Qt::Vertical ? labels_.query : labels_.key;
  const double number_room =
      metrics_.horizontalAdvance(QString::number(canvas_.map()->shape().n_key)) + 2 * metrics_.averageCharWidth();
  const double least = (axis == Qt::Vertical ? line_room : number_room) / camera_.cell();
  const std::int64_t step = tokens ? std::max<std::int64_t>(every, 1) : nice_step(least);
  // A marked label is always shown; its neighbours make room.
  const double keep_away = tokens ? static_cast<double>(every) : least;
  for (std::int64_t i = (seen.begin + step - 1) / step * step; i < seen.end; i += step) {
    if (marked && i != *marked && std::abs(static_cast<double>(i - *marked)) < keep_away) continue;
    if (marked && i == *marked) continue;
    label(axis, i, tokens ? text(i) : QString::number(i), false, !tokens);
  }
  if (marked && *marked >= seen.begin && *marked < seen.end)
    label(axis, *marked, tokens ? text(*marked) : QString::number(*marked), true, !tokens);
}

void MapOverlay::axes(std::optional<std::int64_t> query, std::optional<std::int64_t> key) {
  const QRectF area = camera_.visible();
  painter_.setPen(QPen(inks().muted, 0));
  painter_.setBrush(Qt::NoBrush);
  painter_.drawRect(area.toAlignedRect().adjusted(-1, -1, 0, 0)); // around the map, not on it
  axis_labels(Qt::Vertical, query);
  axis_labels(Qt::Horizontal, key);
  painter_.setFont(canvas_.font());
  painter_.setPen(inks().muted);
  const double gap = metrics_.averageCharWidth() * 0.6;
  painter_.drawText(
      QRectF(area.left(), canvas_.height() - metrics_.height() - gap / 2, area.width(), metrics_.height()),
      Qt::AlignCenter, metrics_.elidedText(labels_.key_axis, Qt::ElideRight, area.width()));
  // Puts the axis' name over the labels, as near to the map as it fits.
  const double width = metrics_.horizontalAdvance(labels_.query_axis);
  painter_.drawText(QPointF(std::max(gap, area.left() - gap - width), area.top() - gap / 2 - metrics_.descent()),
                    labels_.query_axis);
}

void MapOverlay::tag(MapCanvas::Cell cell, QPointF pointer) {
  const auto value = canvas_.value(cell);
  QString weight = MapCanvas::tr("not here yet");
  if (value && value->weight == masked_weight)
    weight = MapCanvas::tr("comes later: not seen");
  else if (value && std::isnan(value->weight))
    weight = MapCanvas::tr("not measured");
  else if (value)
    weight = QString::number(static_cast<double>(value->weight), 'g', 4);
  if (value && value->level > 0)
    weight += MapCanvas::tr(" (%1 of %2 × %2)")
                  .arg(canvas_.tiles().pooling() == Pooling::max ? MapCanvas::tr("largest") : MapCanvas::tr("mean"))
                  .arg(std::int64_t{1} << value->level);
  const QStringList lines = {MapCanvas::tr("query %1  %2").arg(cell.query).arg(labels_.query(cell.query)),
                             MapCanvas::tr("key %1  %2").arg(cell.key).arg(labels_.key(cell.key)), weight};
  const double pad = metrics_.averageCharWidth();
  double width = 0;
  for (const QString& text : lines)
    width = std::max(width, metrics_.horizontalAdvance(text));
  QRectF box(pointer + QPointF(2 * pad, 2 * pad), QSizeF(width + 2 * pad, 3 * metrics_.height() + pad));
  if (box.right() > canvas_.width()) box.moveRight(pointer.x() - pad);
  if (box.bottom() > canvas_.height()) box.moveBottom(pointer.y() - pad);
  box.moveTo(std::max(0.0, box.left()), std::max(0.0, box.top()));
  painter_.setPen(QPen(inks().muted, 0));
  painter_.setBrush(canvas_.palette().color(QPalette::ToolTipBase));
  painter_.drawRoundedRect(box, pad / 2, pad / 2);
  painter_.setPen(canvas_.palette().color(QPalette::ToolTipText));
  for (int i = 0; i < lines.size(); ++i)
    painter_.drawText(
        QRectF(box.left() + pad, box.top() + pad / 2 + i * metrics_.height(), width + 1, metrics_.height()),
        Qt::AlignLeft | Qt::AlignVCenter, lines[i]);
}

} // namespace headscope::gui
