// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/map_canvas.h"

#include <algorithm>
#include <cmath>

#include <QContextMenuEvent>
#include <QGestureEvent>
#include <QNativeGestureEvent>
#include <QStyleHints>

#include "app/gui/style/keys.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/map/map_overlay.h"

namespace headscope::gui {
namespace {

constexpr double key_zoom = 1.5;
constexpr double wheel_zoom = 1.25;   // a notch of 15 degrees
constexpr double widest_margin = 0.3; // of the canvas, for labels
constexpr std::int64_t measured_labels = 256;

} // namespace

MapCanvas::MapCanvas(QWidget* parent) : QWidget(parent) {
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  setAccessibleName(tr("Attention map"));
  set_keys(*this, tr("Plus and minus zoom, 0 shows the whole map, Shift and an arrow move it, Escape unpins, "
                     "the Menu key or Shift+F10 opens the menu of the pinned weight"));
  grabGesture(Qt::PinchGesture);
}

QSize MapCanvas::minimumSizeHint() const {
  const int unit = fontMetrics().height();
  return {8 * unit, 8 * unit};
}

QSize MapCanvas::sizeHint() const { return minimumSizeHint() * 4; }

void MapCanvas::set_map(std::shared_ptr<MapSource> map) {
  if (map == tiles_.map()) return;
  if (tiles_.map()) {
    disconnect(tiles_.map().get(), nullptr, this, nullptr);
    tiles_.map()->want({});
  }
  tiles_.set_map(std::move(map));
  hovered_.reset();
  if (MapSource* source = tiles_.map().get()) {
    camera_.set_map(source->shape().n_query, source->shape().n_key);
    connect(source, &MapSource::tile_ready, this, [this](const TileKey& key) {
      tiles_.forget(key);
      update();
    });
  }
  layout_axes();
  want_tiles();
  update();
}

void MapCanvas::set_labels(Labels labels) {
  labels_ = std::move(labels);
  layout_axes();
  update();
}

void MapCanvas::set_colors(const figures::ResolvedScale& scale, Pooling pooling) {
  tiles_.set_colors(scale, pooling);
  update();
}

void MapCanvas::set_explanation(std::shared_ptr<const mechanisms::Explanation> explanation) {
  if (explanation == explanation_) return;
  explanation_ = std::move(explanation);
  setAccessibleDescription(explanation_ ? tr("With %1").arg(QString::fromStdString(explanation_->title)) : QString());
  update();
}

void MapCanvas::set_pinned(std::optional<std::int64_t> query, std::optional<std::int64_t> key) {
  pinned_query_ = query;
  pinned_key_ = key;
  update();
}

void MapCanvas::set_place(const MapCamera::Viewport& place) {
  camera_.set_place(place);
  want_tiles();
  update();
}

// Sets margins for the longest of the first labels; the axes' names have lines of their own above and below.
void MapCanvas::layout_axes() {
  const QFontMetricsF metrics(font());
  double longest = metrics.horizontalAdvance(QStringLiteral("000000"));
  if (map() && labels_.query)
    for (std::int64_t i = 0; i < std::min(measured_labels, map()->shape().n_query); ++i)
      longest = std::max(longest, metrics.horizontalAdvance(labels_.query(i)));
  const double gap = metrics.averageCharWidth();
  const double line = 1.5 * metrics.height() + gap;
  const double left = std::min(longest + 2 * gap, width() * widest_margin);
  const double bottom = std::min(longest + 2 * gap, height() * widest_margin) + line;
  camera_.set_area(QRectF(left, line, std::max(1.0, width() - left - gap), std::max(1.0, height() - line - bottom)));
}

std::optional<MapCanvas::Cell> MapCanvas::cell_at(QPointF position) const {
  if (!map() || !camera_.visible().contains(position)) return std::nullopt;
  const QPointF at = camera_.to_map(position);
  return Cell{std::clamp<std::int64_t>(static_cast<std::int64_t>(at.y()), 0, map()->shape().n_query - 1),
              std::clamp<std::int64_t>(static_cast<std::int64_t>(at.x()), 0, map()->shape().n_key - 1)};
}

QRectF MapCanvas::cell_rect(Cell cell) const {
  return {camera_.to_screen(static_cast<double>(cell.key), static_cast<double>(cell.query)),
          camera_.to_screen(static_cast<double>(cell.key + 1), static_cast<double>(cell.query + 1))};
}

void MapCanvas::want_tiles() {
  if (map() && isVisible()) map()->want(tiles_.wanted(camera_, devicePixelRatioF()));
}

void MapCanvas::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), inks().page);
  if (!map()) return;
  painted_ = tiles_.paint(painter, camera_, devicePixelRatioF());
  if (!painted_) update();
  if (!labels_.query || !labels_.key) return;
  texts_.begin(font(), devicePixelRatioF());
  MapOverlay overlay(painter, *this, labels_, texts_);
  overlay.cells();
  if (explanation_) overlay.explanation(*explanation_);
  overlay.pinned(pinned_query_, pinned_key_);
  if (hovered_) overlay.crosshair(*hovered_);
  overlay.axes(hovered_ ? std::optional(hovered_->query) : pinned_query_,
               hovered_ ? std::optional(hovered_->key) : pinned_key_);
  if (hovered_ && !dragged_) overlay.tag(*hovered_, pointer_);
}

void MapCanvas::resizeEvent(QResizeEvent*) {
  layout_axes();
  want_tiles();
}

void MapCanvas::changeEvent(QEvent* event) {
  if (event->type() == QEvent::FontChange) layout_axes();
  if (event->type() == QEvent::PaletteChange) tiles_.forget_all();
  QWidget::changeEvent(event);
}

// ---- Moving

void MapCanvas::moved() {
  want_tiles();
  update();
  Q_EMIT place_changed();
}

void MapCanvas::fit() {
  camera_.fit();
  moved();
}

void MapCanvas::zoom_at(double factor, QPointF at) {
  if (!map()) return;
  camera_.zoom(factor, at);
  set_hovered(hovered_ ? cell_at(at) : std::nullopt);
  moved();
}

QPointF MapCanvas::zoom_center() const {
  if (hovered_) return cell_rect(*hovered_).center();
  return camera_.area().center();
}

void MapCanvas::zoom(double factor) { zoom_at(factor, zoom_center()); }

void MapCanvas::wheelEvent(QWheelEvent* event) {
  const double notches = static_cast<double>(event->angleDelta().y()) / 120.0;
  if (notches != 0.0) zoom_at(std::pow(wheel_zoom, notches), event->position());
  event->accept();
}

bool MapCanvas::pinch(QEvent* event) {
  if (event->type() == QEvent::NativeGesture) {
    auto* gesture = static_cast<QNativeGestureEvent*>(event);
    if (gesture->gestureType() != Qt::ZoomNativeGesture) return false;
    zoom_at(1.0 + gesture->value(), gesture->position());
    return true;
  }
  if (event->type() != QEvent::Gesture) return false;
  auto* gesture = static_cast<QPinchGesture*>(static_cast<QGestureEvent*>(event)->gesture(Qt::PinchGesture));
  if (!gesture) return false;
  zoom_at(gesture->scaleFactor(), mapFromGlobal(gesture->centerPoint()));
  return true;
}

bool MapCanvas::event(QEvent* event) {
  if (event->type() == QEvent::Show) want_tiles();
  return pinch(event) || QWidget::event(event);
}

void MapCanvas::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return QWidget::mousePressEvent(event);
  pressed_ = event->position();
}

void MapCanvas::mouseMoveEvent(QMouseEvent* event) {
  const QPointF at = pointer_ = event->position();
  if (pressed_ && !dragged_ &&
      (at - *pressed_).manhattanLength() >= QGuiApplication::styleHints()->startDragDistance()) {
    dragged_ = pressed_;
    setCursor(Qt::ClosedHandCursor);
  }
  if (dragged_) {
    camera_.pan(at - *dragged_);
    dragged_ = at;
    moved();
  }
  set_hovered(cell_at(at));
}

void MapCanvas::mouseReleaseEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return QWidget::mouseReleaseEvent(event);
  if (pressed_ && !dragged_) click(event);
  pressed_.reset();
  dragged_.reset();
  unsetCursor();
  update();
}

void MapCanvas::click(QMouseEvent* event) {
  const QPointF at = event->position();
  if (const auto cell = cell_at(at)) return Q_EMIT cell_clicked(*cell, event->modifiers());
  if (!map()) return;
  const QRectF seen = camera_.visible();
  const QPointF place = camera_.to_map(at);
  if (at.x() < seen.left() && at.y() >= seen.top() && at.y() < seen.bottom())
    Q_EMIT label_clicked(Qt::Vertical, static_cast<qint64>(place.y()), event->modifiers());
  else if (at.y() >= seen.bottom() && at.x() >= seen.left() && at.x() < seen.right())
    Q_EMIT label_clicked(Qt::Horizontal, static_cast<qint64>(place.x()), event->modifiers());
}

// Zooms to cells with labels and values, and from there back to the whole map.
void MapCanvas::mouseDoubleClickEvent(QMouseEvent* event) {
  const auto cell = cell_at(event->position());
  if (!cell) return;
  const double close = QFontMetricsF(font()).horizontalAdvance(QStringLiteral("0.0000")) * 1.2;
  if (camera_.cell() >= close * 0.99) return fit();
  camera_.center_on(static_cast<double>(cell->key) + 0.5, static_cast<double>(cell->query) + 0.5, close);
  set_hovered(cell_at(event->position()));
  moved();
}

void MapCanvas::leaveEvent(QEvent*) { set_hovered(std::nullopt); }

void MapCanvas::set_hovered(std::optional<Cell> cell) {
  const bool changed = cell != hovered_;
  hovered_ = cell;
  if (cell || changed) update(); // the tag follows the pointer
  if (changed) Q_EMIT hover_changed();
}

void MapCanvas::contextMenuEvent(QContextMenuEvent* event) {
  std::optional<Cell> cell = cell_at(event->pos());
  QPoint place = event->globalPos();
  if (event->reason() == QContextMenuEvent::Keyboard && map()) {
    cell = Cell{std::min(pinned_query_.value_or(0), map()->shape().n_query - 1),
                std::min(pinned_key_.value_or(0), map()->shape().n_key - 1)};
    place = mapToGlobal(cell_rect(*cell).intersected(rect()).center().toPoint());
  }
  if (!cell) return event->ignore();
  Q_EMIT menu_wanted(*cell, place);
}

void MapCanvas::keyPressEvent(QKeyEvent* event) {
  const double step = 4.0 * fontMetrics().height();
  const bool shift = event->modifiers() & Qt::ShiftModifier;
  const auto pan = [&](double x, double y) {
    camera_.pan({x, y});
    moved();
  };
  switch (event->key()) {
  case Qt::Key_Plus:
  case Qt::Key_Equal: return zoom(key_zoom);
  case Qt::Key_Minus: return zoom(1.0 / key_zoom);
  case Qt::Key_0: return fit();
  case Qt::Key_Escape: return Q_EMIT pin_cleared();
  case Qt::Key_Left:
    if (shift) return pan(step, 0);
    break;
  case Qt::Key_Right:
    if (shift) return pan(-step, 0);
    break;
  case Qt::Key_Up:
    if (shift) return pan(0, step);
    break;
  case Qt::Key_Down:
    if (shift) return pan(0, -step);
    break;
  default: break;
  }
  QWidget::keyPressEvent(event); // arrows alone move through the heads
}

} // namespace headscope::gui
