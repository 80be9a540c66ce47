// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/style/keys.h"

#include <algorithm>
#include <cmath>

#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>

namespace headscope::gui {

HeadGrid::HeadGrid(QWidget* parent) : QWidget(parent) {
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  setAccessibleName(tr("Map of heads"));
  set_keys(*this, tr("Layers from top to bottom, heads from left to right; arrow keys move, Enter isolates, the Menu "
                     "key or Shift+F10 opens the menu of the head"));
}

QSize HeadGrid::minimumSizeHint() const { return {fontMetrics().height() * 10, fontMetrics().height() * 10}; }

void HeadGrid::set_scores(HeadScores scores, std::vector<bool> wanted, int group_size) {
  scores_ = std::move(scores);
  wanted_ = std::move(wanted);
  group_size_ = std::max(1, group_size);
  figures::ColorScale wish;
  wish.kind = scores_.diverging ? figures::ScaleKind::diverging : figures::ScaleKind::sequential;
  const auto finite = std::find_if(scores_.values.begin(), scores_.values.end(), [](float v) { return v < 0.0F; });
  if (!scores_.diverging && finite == scores_.values.end()) wish.low = 0.0;
  auto resolved = figures::resolve_scale(wish, scores_.values);
  scale_ = resolved.ok() ? *resolved : figures::ResolvedScale{};
  labels_.clear();
  for (const float value : scores_.values)
    labels_.push_back(std::isnan(value) ? QString() : QString::number(value, 'f', 2));
  hovered_.reset();
  place();
  update();
}

void HeadGrid::clear() { set_scores({}, {}, 1); }

void HeadGrid::set_selected(std::vector<HeadId> heads, bool isolated) {
  selected_ = std::move(heads);
  isolated_ = isolated;
  update();
}

void HeadGrid::set_ablated(std::vector<HeadId> heads) {
  ablated_ = std::move(heads);
  update();
}

void HeadGrid::set_planned(std::vector<HeadId> heads) {
  planned_ = std::move(heads);
  update();
}

// ---- Where things are

void HeadGrid::place() {
  const QFontMetrics metrics = fontMetrics();
  const int line = metrics.height(), left = metrics.horizontalAdvance(QStringLiteral("00")) + line + 6;
  const int brackets = group_size_ > 1 ? line / 2 : 0;
  const int bar = line * 3 / 4 + metrics.horizontalAdvance(QStringLiteral("-0.000")) + line;
  const QRect room = rect().adjusted(left, line + brackets + 6, -bar, -line - 4);
  cells_ = {};
  if (scores_.n_layers <= 0 || scores_.n_heads <= 0 || room.width() < scores_.n_heads ||
      room.height() < scores_.n_layers)
    return;
  const int height = room.height() / scores_.n_layers;
  const int width = std::min(room.width() / scores_.n_heads, std::max(height * 3, metrics.height() * 5));
  cells_ = QRect(room.left(), room.top(), width * scores_.n_heads, height * scores_.n_layers);
  bar_ = QRect(cells_.right() + line, cells_.top(), line * 3 / 4, std::min(cells_.height(), line * 16));
  write_values_ = height >= line && width >= metrics.horizontalAdvance(QStringLiteral("-0.00")) + 4;
}

QRect HeadGrid::cell_rect(HeadId head) const {
  if (cells_.isEmpty()) return {};
  const int width = cells_.width() / scores_.n_heads, height = cells_.height() / scores_.n_layers;
  const int column = static_cast<int>(head.head);
  return {cells_.left() + column * width, cells_.top() + head.layer * height, width, height};
}

std::optional<HeadId> HeadGrid::head_at(const QPoint& point) const {
  if (cells_.isEmpty() || !cells_.contains(point)) return std::nullopt;
  const int width = cells_.width() / scores_.n_heads, height = cells_.height() / scores_.n_layers;
  return HeadId{(point.y() - cells_.top()) / height, (point.x() - cells_.left()) / width};
}

void HeadGrid::resizeEvent(QResizeEvent*) { place(); }

void HeadGrid::changeEvent(QEvent* event) {
  QWidget::changeEvent(event);
  if (event->type() == QEvent::FontChange) place();
}

// ---- Painting

void HeadGrid::paint_cells(QPainter& painter) const {
  const QColor page = palette().color(QPalette::Window);
  const int gap = cell_rect({0, 0}).height() >= 6 ? 1 : 0;
  for (int layer = 0; layer < scores_.n_layers; ++layer)
    for (int head = 0; head < scores_.n_heads; ++head) {
      const auto index = static_cast<std::size_t>(index_of({layer, head}));
      const QRect rect = cell_rect({layer, head}).adjusted(0, 0, -gap, -gap);
      const float value = scores_.values[index];
      const QColor color = value_color(scale_, static_cast<double>(value));
      painter.fillRect(rect, color);
      if (std::isnan(value)) painter.fillRect(rect, QBrush(inks().muted, Qt::BDiagPattern));
      if (!wanted_[index]) {
        QColor veil = page;
        veil.setAlphaF(0.82F);
        painter.fillRect(rect, veil);
      } else if (write_values_) {
        painter.setPen(text_on(color));
        painter.drawText(rect, Qt::AlignCenter, labels_[index]);
      }
    }
}

void HeadGrid::paint_marks(QPainter& painter) const {
  painter.setBrush(Qt::NoBrush);
  if (scores_.threshold) {
    painter.setPen(QPen(inks().text, 1));
    for (int layer = 0; layer < scores_.n_layers; ++layer)
      for (int head = 0; head < scores_.n_heads; ++head) {
        const auto index = static_cast<std::size_t>(index_of({layer, head}));
        if (wanted_[index] && static_cast<double>(scores_.values[index]) >= *scores_.threshold)
          painter.drawRect(cell_rect({layer, head}).adjusted(0, 0, -2, -2));
      }
  }
  const auto fits = [&](HeadId head) { return head.layer < scores_.n_layers && head.head < scores_.n_heads; };
  for (const HeadId head : planned_) {
    if (!fits(head)) continue;
    const QRect rect = cell_rect(head);
    const int side = std::clamp(std::min(rect.width(), rect.height()) / 3, 3, 8);
    const QPoint corner = rect.topRight() - QPoint(1, 0);
    painter.setPen(QPen(inks().page, 1));
    painter.setBrush(inks().accent);
    painter.drawPolygon(QPolygon({corner, corner - QPoint(side, 0), corner + QPoint(0, side)}));
  }
  painter.setBrush(Qt::NoBrush);
  for (const HeadId head : ablated_) {
    if (!fits(head)) continue;
    const QRect rect = cell_rect(head).adjusted(1, 1, -2, -2);
    painter.setPen(QPen(inks().page, 4));
    painter.drawLine(rect.bottomLeft(), rect.topRight());
    painter.setPen(QPen(inks().warning, 2));
    painter.drawLine(rect.bottomLeft(), rect.topRight());
    painter.drawRect(rect);
  }
  for (const HeadId head : selected_) {
    if (!fits(head)) continue;
    const QRect rect = cell_rect(head).adjusted(-1, -1, 0, 0);
    painter.setPen(QPen(inks().page, 4));
    painter.drawRect(rect);
    painter.setPen(QPen(inks().accent, isolated_ ? 3 : 2));
    painter.drawRect(rect);
  }
}

void HeadGrid::paint_axes(QPainter& painter) const {
  const int line = fontMetrics().height();
  const QRect cell = cell_rect({0, 0});
  painter.setPen(inks().muted);
  const int rows_per_label = std::max(1, (line + cell.height() - 1) / cell.height());
  for (int layer = 0; layer < scores_.n_layers; layer += rows_per_label)
    painter.drawText(QRect(line, cell_rect({layer, 0}).center().y() - line / 2, cells_.left() - line - 4, line),
                     Qt::AlignRight | Qt::AlignVCenter, QString::number(layer));
  const int label_width = fontMetrics().horizontalAdvance(QStringLiteral("00")) + 4;
  const int columns_per_label = std::max(1, (label_width + cell.width() - 1) / cell.width());
  const int brackets = group_size_ > 1 ? line / 2 : 0;
  for (int head = 0; head < scores_.n_heads; head += columns_per_label)
    painter.drawText(QRect(cell_rect({0, head}).left(), cells_.top() - line - brackets - 2, cell.width(), line),
                     Qt::AlignCenter | Qt::TextDontClip, QString::number(head));
  for (int first = 0; group_size_ > 1 && first < scores_.n_heads; first += group_size_) {
    const int last = std::min(first + group_size_, scores_.n_heads) - 1;
    const int left = cell_rect({0, first}).left() + 1, right = cell_rect({0, last}).right() - 2;
    const int top = cells_.top() - brackets + 1, bottom = cells_.top() - 3;
    painter.drawLine(left, top, right, top);
    painter.drawLine(left, top, left, bottom);
    painter.drawLine(right, top, right, bottom);
  }
  painter.drawText(QRect(cells_.left(), cells_.bottom() + 3, std::max(cells_.width(), 1), line),
                   Qt::AlignCenter | Qt::TextDontClip, tr("head"));
  painter.save();
  painter.translate(line / 2, cells_.center().y());
  painter.rotate(-90);
  painter.drawText(QRect(-cells_.height() / 2, -line / 2, cells_.height(), line), Qt::AlignCenter, tr("layer"));
  painter.restore();
}

void HeadGrid::paint_bar(QPainter& painter) const {
  for (int y = 0; y < bar_.height(); ++y) {
    const double share = 1.0 - static_cast<double>(y) / std::max(1, bar_.height() - 1);
    painter.fillRect(QRect(bar_.left(), bar_.top() + y, bar_.width(), 1),
                     value_color(scale_, scale_.low + share * (scale_.high - scale_.low)));
  }
  const int line = fontMetrics().height(), left = bar_.right() + 5;
  painter.setPen(inks().text);
  const auto label = [&](double value) {
    const double share = (value - scale_.low) / (scale_.high - scale_.low);
    const int y = bar_.bottom() - static_cast<int>(share * (bar_.height() - 1));
    painter.drawText(QRect(left, y - line / 2, width() - left, line), Qt::AlignLeft | Qt::AlignVCenter,
                     QString::number(value, 'g', 3));
  };
  label(scale_.low);
  label(scale_.high);
  if (scores_.diverging) label(scale_.center);
  painter.setPen(inks().muted);
  if (!scores_.units.empty() && scores_.units != "1")
    painter.drawText(QRect(bar_.left(), bar_.bottom() + line / 2, width() - bar_.left(), line), Qt::AlignLeft,
                     QString::fromStdString(scores_.units));
  if (scores_.threshold && *scores_.threshold > scale_.low && *scores_.threshold < scale_.high) {
    const double share = (*scores_.threshold - scale_.low) / (scale_.high - scale_.low);
    const int y = bar_.bottom() - static_cast<int>(share * (bar_.height() - 1));
    painter.setPen(QPen(inks().text, 1));
    painter.drawLine(bar_.left() - 3, y, bar_.right() + 3, y);
    painter.drawText(QRect(left, y - line / 2, width() - left, line), Qt::AlignLeft | Qt::AlignVCenter,
                     QStringLiteral("≥ ") + QString::number(*scores_.threshold, 'g', 3));
  }
}

void HeadGrid::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  if (cells_.isEmpty()) {
    painter.setPen(inks().muted);
    painter.drawText(rect(), Qt::AlignCenter | Qt::TextWordWrap,
                     scores_.n_layers > 0 ? tr("Make this panel larger to see the heads")
                                          : tr("Choose a score, or run a detector to get one"));
    return;
  }
  paint_cells(painter);
  paint_axes(painter);
  paint_marks(painter);
  paint_bar(painter);
  if (hasFocus()) {
    painter.setPen(QPen(inks().accent, 1, Qt::DotLine));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(rect().adjusted(0, 0, -1, -1));
  }
}

// ---- Mouse and keys

void HeadGrid::mousePressEvent(QMouseEvent* event) {
  const auto head = head_at(event->position().toPoint());
  if (head && event->button() == Qt::LeftButton) Q_EMIT clicked(*head, event->modifiers());
}

void HeadGrid::mouseDoubleClickEvent(QMouseEvent* event) {
  if (const auto head = head_at(event->position().toPoint())) Q_EMIT double_clicked(*head);
}

void HeadGrid::mouseMoveEvent(QMouseEvent* event) {
  const auto head = head_at(event->position().toPoint());
  if (head == hovered_) return;
  hovered_ = head;
  Q_EMIT hovered(head);
}

// By the keyboard it is the menu of the selected head.
void HeadGrid::contextMenuEvent(QContextMenuEvent* event) {
  std::optional<HeadId> head = head_at(event->pos());
  QPoint place = event->globalPos();
  if (event->reason() == QContextMenuEvent::Keyboard && !selected_.empty()) {
    head = selected_.back();
    place = mapToGlobal(cell_rect(*head).center());
  }
  if (head) Q_EMIT menu_wanted(*head, place);
}

void HeadGrid::leaveEvent(QEvent*) {
  hovered_.reset();
  Q_EMIT hovered(std::nullopt);
}

void HeadGrid::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
  case Qt::Key_Up: Q_EMIT stepped(-1, 0); return;
  case Qt::Key_Down: Q_EMIT stepped(1, 0); return;
  case Qt::Key_Left: Q_EMIT stepped(0, -1); return;
  case Qt::Key_Right: Q_EMIT stepped(0, 1); return;
  case Qt::Key_Return:
  case Qt::Key_Enter:
    if (!selected_.empty()) Q_EMIT double_clicked(selected_.back());
    return;
  default: QWidget::keyPressEvent(event);
  }
}

} // namespace headscope::gui
