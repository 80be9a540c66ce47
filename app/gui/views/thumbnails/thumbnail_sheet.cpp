// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/thumbnails/thumbnail_sheet.h"

#include <algorithm>

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr int gap = 3;                                // between maps
constexpr int smallest_side = 10, largest_side = 480; // of a map
constexpr int most_columns = 8;                       // of layers

} // namespace

ThumbnailSheet::ThumbnailSheet(QWidget* parent) : QAbstractScrollArea(parent) {
  setFrameShape(QFrame::NoFrame);
  setFocusPolicy(Qt::StrongFocus);
  setAccessibleName(tr("Maps of all heads"));
  setAccessibleDescription(tr("Layers from top to bottom, heads from left to right; arrow keys move, Enter opens"));
}

void ThumbnailSheet::set_shape(int n_layers, int n_heads) {
  maps_.assign(static_cast<std::size_t>(n_layers), {});
  n_heads_ = n_heads;
  arrange();
  viewport()->update();
}

void ThumbnailSheet::set_hint(const QString& text) {
  hint_ = text;
  viewport()->update();
}

void ThumbnailSheet::set_fit(bool fit) {
  fit_ = fit;
  arrange();
  viewport()->update();
  Q_EMIT scrolled();
}

void ThumbnailSheet::set_maps(int layer, std::vector<QImage> maps) {
  if (layer < 0 || layer >= layers()) return;
  maps_[static_cast<std::size_t>(layer)] = std::move(maps);
  viewport()->update();
}

void ThumbnailSheet::drop_maps() {
  for (std::vector<QImage>& layer : maps_)
    layer.clear();
  viewport()->update();
}

QImage ThumbnailSheet::map(HeadId head) const {
  const std::vector<QImage>& layer = maps_[static_cast<std::size_t>(head.layer)];
  return static_cast<std::size_t>(head.head) < layer.size() ? layer[static_cast<std::size_t>(head.head)] : QImage();
}

void ThumbnailSheet::set_selected(std::vector<HeadId> heads) {
  selected_ = std::move(heads);
  viewport()->update();
}

// ---- Where things are

void ThumbnailSheet::arrange() {
  const QFontMetrics metrics = fontMetrics();
  left_ = metrics.horizontalAdvance(QStringLiteral("000")) + 2 * gap;
  top_ = metrics.height() + gap;
  if (n_heads_ == 0 || layers() == 0) return;
  columns_ = 1;
  for (int columns = 2; fit_ && columns <= std::min(most_columns, layers()); ++columns)
    if (side_of(columns) > side_of(columns_)) columns_ = columns; // a wide window has room for larger maps so
  side_ = side_of(columns_);
  const int wide = columns_ * column_width(), high = top_ + rows() * (side_ + gap);
  for (const auto& [bar, all, seen] : {std::tuple(horizontalScrollBar(), wide, viewport()->width()),
                                       {verticalScrollBar(), high, viewport()->height()}}) {
    bar->setRange(0, std::max(0, all - seen));
    bar->setPageStep(seen);
    bar->setSingleStep(side_ + gap);
  }
}

int ThumbnailSheet::side_of(int columns) const {
  int room = (viewport()->width() / columns - left_) / n_heads_;
  if (fit_) room = std::min(room, (viewport()->height() - top_) / ((layers() + columns - 1) / columns));
  return std::clamp(room - gap, smallest_side, largest_side);
}

// Columns share the width that maps leave.
int ThumbnailSheet::column_width() const {
  return std::max(left_ + n_heads_ * (side_ + gap), columns_ > 1 ? viewport()->width() / columns_ : 0);
}

// Every how many rows or columns have their number, where it is of that size.
int ThumbnailSheet::numbered(int size) const { return std::max(1, (size + side_ + gap - 1) / (side_ + gap)); }

QRect ThumbnailSheet::map_rect(HeadId head) const {
  const int column = head.layer / rows(), row = head.layer % rows();
  return {column * column_width() + left_ + static_cast<int>(head.head) * (side_ + gap) -
              horizontalScrollBar()->value(),
          top_ + row * (side_ + gap) - verticalScrollBar()->value(), side_, side_};
}

std::optional<HeadId> ThumbnailSheet::head_at(const QPoint& place) const {
  if (side_ == 0 || layers() == 0 || place.y() < top_ || place.x() < left_) return std::nullopt;
  const int x = place.x() + horizontalScrollBar()->value(), column = x / column_width();
  const int row = (place.y() - top_ + verticalScrollBar()->value()) / (side_ + gap);
  if (column >= columns_ || row >= rows() || x % column_width() < left_) return std::nullopt;
  const HeadId head{column * rows() + row, (x % column_width() - left_) / (side_ + gap)};
  if (head.layer >= layers() || head.head >= n_heads_ || !map_rect(head).contains(place)) return std::nullopt;
  return head;
}

std::vector<int> ThumbnailSheet::layers_seen() const {
  std::vector<int> seen;
  for (int layer = 0; layer < layers(); ++layer) {
    const QRect row = map_rect({layer, 0});
    if (row.bottom() >= top_ && row.top() < viewport()->height()) seen.push_back(layer);
  }
  return seen;
}

void ThumbnailSheet::show_head(HeadId head) {
  const QRect rect = map_rect(head);
  QScrollBar *x = horizontalScrollBar(), *y = verticalScrollBar();
  if (rect.top() < top_) y->setValue(y->value() - (top_ - rect.top()));
  if (rect.bottom() > viewport()->height()) y->setValue(y->value() + rect.bottom() - viewport()->height());
  if (rect.left() < left_) x->setValue(x->value() - (left_ - rect.left()));
  if (rect.right() > viewport()->width()) x->setValue(x->value() + rect.right() - viewport()->width());
}

void ThumbnailSheet::resizeEvent(QResizeEvent*) {
  arrange();
  Q_EMIT scrolled();
}

void ThumbnailSheet::changeEvent(QEvent* event) {
  QAbstractScrollArea::changeEvent(event);
  if (event->type() == QEvent::FontChange) arrange();
}

void ThumbnailSheet::scrollContentsBy(int, int) {
  viewport()->update();
  Q_EMIT scrolled();
}

// ---- Drawing

void ThumbnailSheet::paintEvent(QPaintEvent*) {
  QPainter painter(viewport());
  painter.fillRect(viewport()->rect(), inks().page);
  painter.setPen(inks().muted);
  if (layers() == 0 || !hint_.isEmpty()) {
    painter.drawText(viewport()->rect().adjusted(8, 8, -8, -8), Qt::AlignCenter | Qt::TextWordWrap, hint_);
    return;
  }
  const int heads_a_number = numbered(fontMetrics().horizontalAdvance(QStringLiteral("00")));
  for (int layer = 0; layer < layers(); layer += rows())
    for (int head = 0; head < n_heads_; head += heads_a_number)
      painter.drawText(QRect(map_rect({layer, head}).left(), 0, side_, top_ - gap), Qt::AlignCenter | Qt::TextDontClip,
                       QString::number(head));
  painter.setClipRect(0, top_, viewport()->width(), viewport()->height() - top_);
  for (const int layer : layers_seen())
    paint_layer(painter, layer);
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(inks().accent, 2));
  for (const HeadId head : selected_)
    if (head.layer < layers() && head.head < n_heads_) painter.drawRect(map_rect(head).adjusted(-1, -1, 0, 0));
}

void ThumbnailSheet::paint_layer(QPainter& painter, int layer) const {
  const QRect row = map_rect({layer, 0});
  painter.setPen(inks().muted);
  if (layer % rows() % numbered(fontMetrics().height()) == 0)
    painter.drawText(QRect(row.left() - left_, row.top(), left_ - 2 * gap, side_),
                     Qt::AlignRight | Qt::AlignVCenter | Qt::TextDontClip, QString::number(layer));
  for (int head = 0; head < n_heads_; ++head) {
    const QRect rect = map_rect({layer, head});
    const QImage image = map({layer, head});
    if (image.isNull()) {
      painter.fillRect(rect, QBrush(inks().grid, Qt::BDiagPattern));
      continue;
    }
    painter.setRenderHint(QPainter::SmoothPixmapTransform, image.width() > side_); // no cell is left out
    painter.drawImage(rect, image);
  }
}

// ---- Mouse and keys

void ThumbnailSheet::mousePressEvent(QMouseEvent* event) {
  const auto head = head_at(event->position().toPoint());
  if (head && event->button() == Qt::LeftButton) Q_EMIT clicked(*head);
}

void ThumbnailSheet::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
  case Qt::Key_Up: Q_EMIT stepped(-1, 0); return;
  case Qt::Key_Down: Q_EMIT stepped(1, 0); return;
  case Qt::Key_Left: Q_EMIT stepped(0, -1); return;
  case Qt::Key_Right: Q_EMIT stepped(0, 1); return;
  case Qt::Key_Return:
  case Qt::Key_Enter: Q_EMIT opened(); return;
  default: QAbstractScrollArea::keyPressEvent(event);
  }
}

// By the keyboard it is the menu of the selected head.
void ThumbnailSheet::contextMenuEvent(QContextMenuEvent* event) {
  std::optional<HeadId> head = head_at(event->pos());
  QPoint place = event->globalPos();
  if (event->reason() == QContextMenuEvent::Keyboard) {
    head = selected_.empty() ? std::nullopt : std::optional(selected_.back());
    if (head) place = viewport()->mapToGlobal(map_rect(*head).center());
  }
  if (!head || head->layer >= layers() || head->head >= n_heads_) return event->ignore();
  Q_EMIT menu_wanted(*head, place);
}

bool ThumbnailSheet::viewportEvent(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QAbstractScrollArea::viewportEvent(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const auto head = head_at(help->pos());
  QToolTip::showText(help->globalPos(), head ? tr("Head %1").arg(QString::fromStdString(head_name(*head))) : QString(),
                     this);
  return true;
}

} // namespace headscope::gui
