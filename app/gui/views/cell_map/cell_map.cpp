// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/cell_map/cell_map.h"

#include <algorithm>
#include <cmath>

#include <QContextMenuEvent>
#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include "app/gui/style/follow_font.h"
#include "app/gui/style/keys.h"
#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr int title_padding =
    4; // above and below the columns' name, over which a mark of where the map is from may lie
constexpr int text_characters = 7; // that a cell with texts has room for
constexpr double most_cell = 6.0;  // text heights that a cell without texts is high at most
constexpr int longest_label = 12;  // characters of a column's name

QString number(double value) { return QString::number(value, 'g', 3).replace(QLatin1Char('-'), QChar(0x2212)); }

QString label_of(const QStringList& labels, int at) { return at < labels.size() ? labels[at] : QString::number(at); }

int widest(const QStringList& labels, int n, const QFontMetrics& metrics) {
  int width = metrics.horizontalAdvance(QString::number(n));
  for (const QString& label : labels)
    width = std::max(width, metrics.horizontalAdvance(label));
  return width;
}

} // namespace

CellMap::CellMap(QWidget* parent) : QAbstractScrollArea(parent) {
  set_keys(*this, tr("Arrows go from cell to cell, the Menu key or Shift+F10 opens the menu of one"));
  setFrameShape(QFrame::NoFrame);
  setFocusPolicy(Qt::StrongFocus);
  viewport()->setMouseTracking(true);
  follow_font(*this, [this] { setMinimumHeight(fontMetrics().height() * 8); });
}

void CellMap::set_content(Content content) {
  const bool same = content.rows == content_.rows && content.cols == content_.cols;
  content_ = std::move(content);
  if (!same) current_ = hovered_ = std::nullopt;
  arrange();
  viewport()->update();
}

void CellMap::set_hint(const QString& text) {
  hint_ = text;
  viewport()->update();
}

void CellMap::set_current(std::optional<Cell> cell) {
  if (cell && (cell->row >= content_.rows || cell->col >= content_.cols)) cell.reset();
  if (cell == current_) return;
  current_ = cell;
  viewport()->update();
}

// Cells fill the widget as long as they stay large enough to be read; beyond that the widget scrolls.
void CellMap::arrange() {
  if (content_.rows == 0 || content_.cols == 0) return;
  const QFontMetrics metrics = fontMetrics();
  const int high = metrics.height(), wide = metrics.averageCharWidth();
  left_ = widest(content_.row_labels, content_.rows, metrics) + high + 3 * wide;
  top_ = std::min(widest(content_.col_labels, content_.cols, metrics), longest_label * wide + wide) + title_height() +
         wide;
  right_ = metrics.horizontalAdvance(QStringLiteral("−0.0001")) + high + 2 * wide;
  const bool texts = !content_.texts.isEmpty();
  const double least_width = texts ? text_characters * wide : std::max(4.0, high * 0.6);
  const double least_height = texts ? high + 4 : std::max(3.0, high * 0.5);
  const double room_x = viewport()->width() - left_ - right_, room_y = viewport()->height() - top_ - wide;
  cell_width_ = std::clamp(room_x / content_.cols, least_width, texts ? 24.0 * wide : most_cell * high);
  cell_height_ = std::clamp(room_y / content_.rows, least_height, texts ? 3.0 * high : most_cell * high);
  horizontalScrollBar()->setPageStep(std::max(1, static_cast<int>(room_x)));
  horizontalScrollBar()->setRange(0, std::max(0, static_cast<int>(std::ceil(cell_width_ * content_.cols - room_x))));
  horizontalScrollBar()->setSingleStep(static_cast<int>(cell_width_));
  verticalScrollBar()->setPageStep(std::max(1, static_cast<int>(room_y)));
  verticalScrollBar()->setRange(0, std::max(0, static_cast<int>(std::ceil(cell_height_ * content_.rows - room_y))));
  verticalScrollBar()->setSingleStep(static_cast<int>(cell_height_));
}

int CellMap::title_height() const { return fontMetrics().height() + 2 * title_padding; }

QRectF CellMap::cell_rect(Cell cell) const {
  return {left_ + cell.col * cell_width_ - horizontalScrollBar()->value(),
          top_ + cell.row * cell_height_ - verticalScrollBar()->value(), cell_width_, cell_height_};
}

std::optional<Cell> CellMap::cell_at(QPointF place) const {
  if (place.x() < left_ || place.y() < top_ || place.x() > viewport()->width() - right_) return std::nullopt;
  const Cell cell{static_cast<int>((place.y() - top_ + verticalScrollBar()->value()) / cell_height_),
                  static_cast<int>((place.x() - left_ + horizontalScrollBar()->value()) / cell_width_)};
  if (cell.row >= content_.rows || cell.col >= content_.cols) return std::nullopt;
  return cell;
}

void CellMap::show_cell(Cell cell) {
  const QRectF rect = cell_rect(cell);
  const int right = viewport()->width() - right_, bottom = viewport()->height();
  QScrollBar *x = horizontalScrollBar(), *y = verticalScrollBar();
  if (rect.left() < left_) x->setValue(x->value() - static_cast<int>(left_ - rect.left()));
  if (rect.right() > right) x->setValue(x->value() + static_cast<int>(std::ceil(rect.right() - right)));
  if (rect.top() < top_) y->setValue(y->value() - static_cast<int>(top_ - rect.top()));
  if (rect.bottom() > bottom) y->setValue(y->value() + static_cast<int>(std::ceil(rect.bottom() - bottom)));
}

// ---- Drawing

void CellMap::paintEvent(QPaintEvent* event) {
  QPainter painter(viewport());
  painter.fillRect(viewport()->rect(), inks().page);
  if (content_.rows == 0 || content_.cols == 0) {
    painter.setPen(inks().muted);
    painter.drawText(viewport()->rect().adjusted(8, 8, -8, -8), Qt::AlignCenter | Qt::TextWordWrap, hint_);
    return;
  }
  painter.setRenderHint(QPainter::TextAntialiasing);
  paint_cells(painter, event->rect());
  paint_rows(painter);
  paint_columns(painter);
  paint_scale(painter);
}

void CellMap::paint_cells(QPainter& painter, const QRect& exposed) const {
  painter.save();
  const QRect area(left_, top_, viewport()->width() - left_ - right_, viewport()->height() - top_);
  painter.setClipRect(area & exposed);
  const int x = horizontalScrollBar()->value(), y = verticalScrollBar()->value();
  const Cell first{static_cast<int>(y / cell_height_), static_cast<int>(x / cell_width_)};
  const Cell last{std::min(content_.rows - 1, static_cast<int>((y + area.height()) / cell_height_)),
                  std::min(content_.cols - 1, static_cast<int>((x + area.width()) / cell_width_))};
  const double gap = std::min(cell_width_, cell_height_) > 10 ? 1.0 : 0.0;
  const QFontMetrics metrics = fontMetrics();
  for (int row = first.row; row <= last.row; ++row)
    for (int col = first.col; col <= last.col; ++col) {
      const QRectF rect = cell_rect({row, col});
      const QColor color = value_color(content_.scale, value({row, col}));
      painter.fillRect(rect.adjusted(0, 0, -gap, -gap), color);
      if (content_.texts.isEmpty()) continue;
      painter.setPen(text_on(color));
      const QString& text = content_.texts[row * content_.cols + col];
      painter.drawText(rect, Qt::AlignCenter,
                       metrics.elidedText(text, Qt::ElideRight, static_cast<int>(cell_width_) - 2));
    }
  painter.setBrush(Qt::NoBrush);
  // A warning is seen on any colour.
  for (const auto& [cells, color, width] : {std::tuple(&content_.outlined, inks().text, 1.0),
                                            {&content_.warned, inks().page, 3.0},
                                            {&content_.warned, inks().warning, 1.5}}) {
    painter.setPen(QPen(color, width));
    for (const Cell cell : *cells)
      painter.drawRect(cell_rect(cell).adjusted(0.5, 0.5, -1.5, -1.5));
  }
  for (const auto& [cell, width] : {std::pair(hovered_, 1.0), std::pair(current_, 2.0)}) {
    if (!cell) continue;
    painter.setPen(QPen(inks().page, width + 2));
    painter.drawRect(cell_rect(*cell).adjusted(0, 0, -gap, -gap));
    painter.setPen(QPen(inks().accent, width));
    painter.drawRect(cell_rect(*cell).adjusted(0, 0, -gap, -gap));
  }
  painter.restore();
}

void CellMap::paint_rows(QPainter& painter) const {
  const QFontMetrics metrics = fontMetrics();
  const int high = metrics.height(), wide = metrics.averageCharWidth();
  painter.setPen(inks().muted);
  const int step = std::max(1, static_cast<int>(std::ceil(high / cell_height_)));
  for (int row = 0; row < content_.rows; row += step) {
    const QRectF rect = cell_rect({row, 0});
    if (rect.center().y() < top_ || rect.center().y() > viewport()->height()) continue;
    const QRectF place(high + wide, rect.center().y() - high / 2.0, left_ - high - 2 * wide, high);
    painter.drawText(place, Qt::AlignRight | Qt::AlignVCenter, label_of(content_.row_labels, row));
  }
  painter.save();
  const double extent = std::min(cell_height_ * content_.rows, static_cast<double>(viewport()->height() - top_));
  painter.translate(0, top_ + extent / 2);
  painter.rotate(-90);
  painter.drawText(QRectF(-extent / 2, 0, extent, high), Qt::AlignCenter, content_.row_axis);
  painter.restore();
}

void CellMap::paint_columns(QPainter& painter) const {
  const QFontMetrics metrics = fontMetrics();
  const int high = metrics.height(), wide = metrics.averageCharWidth();
  const int right = viewport()->width() - right_;
  painter.setPen(inks().muted);
  const double extent = std::min(cell_width_ * content_.cols, static_cast<double>(right - left_));
  painter.drawText(QRectF(left_, 0, extent, title_height()), Qt::AlignCenter, content_.col_axis);
  const int step = std::max(1, static_cast<int>(std::ceil(high / cell_width_)));
  const int room = top_ - title_height() - wide / 2;
  // Labels are upright where all fit, otherwise turned.
  const bool upright = widest(content_.col_labels, content_.cols, metrics) < cell_width_ - wide;
  for (int col = 0; col < content_.cols; col += step) {
    const QRectF rect = cell_rect({0, col});
    if (rect.center().x() < left_ || rect.center().x() > right) continue;
    const QString text = metrics.elidedText(label_of(content_.col_labels, col), Qt::ElideRight, room);
    painter.setPen(current_ && current_->col == col ? inks().text : inks().muted);
    if (upright) {
      painter.drawText(QRectF(rect.left(), top_ - high - wide / 2.0, cell_width_, high), Qt::AlignCenter, text);
      continue;
    }
    painter.save();
    painter.translate(rect.center().x(), top_ - wide / 2.0);
    painter.rotate(-90);
    painter.drawText(QRectF(0, -high / 2.0, room, high), Qt::AlignLeft | Qt::AlignVCenter, text);
    painter.restore();
  }
}

void CellMap::paint_scale(QPainter& painter) const {
  const QFontMetrics metrics = fontMetrics();
  const int high = metrics.height(), wide = metrics.averageCharWidth();
  const double length = std::min({cell_height_ * content_.rows, high * 14.0, viewport()->height() - top_ - high * 1.0});
  const double x =
      std::min(left_ + cell_width_ * content_.cols, static_cast<double>(viewport()->width() - right_)) + wide;
  if (length < 3 * high) return;
  for (int i = 0; i < static_cast<int>(length); ++i) {
    const double share = 1 - i / length;
    const double at = content_.scale.low + share * (content_.scale.high - content_.scale.low);
    painter.fillRect(QRectF(x, top_ + i, high * 0.7, 1.5), value_color(content_.scale, at));
  }
  painter.setPen(inks().muted);
  const double middle = (content_.scale.low + content_.scale.high) / 2;
  for (const auto& [share, at] : {std::pair(0.0, content_.scale.high), {0.5, middle}, {1.0, content_.scale.low}})
    painter.drawText(QRectF(x + high, top_ + share * (length - high), right_, high), Qt::AlignLeft | Qt::AlignVCenter,
                     number(at));
}

// ---- Mouse and keys

void CellMap::resizeEvent(QResizeEvent*) { arrange(); }

void CellMap::changeEvent(QEvent* event) {
  QAbstractScrollArea::changeEvent(event);
  if (event->type() == QEvent::FontChange) arrange();
}

void CellMap::mouseMoveEvent(QMouseEvent* event) {
  const std::optional<Cell> cell = cell_at(event->position());
  if (cell == hovered_) return;
  hovered_ = cell;
  viewport()->update();
  Q_EMIT cell_hovered(cell);
}

void CellMap::mousePressEvent(QMouseEvent* event) {
  const std::optional<Cell> cell = cell_at(event->position());
  if (!cell || event->button() != Qt::LeftButton) return;
  set_current(cell);
  Q_EMIT cell_clicked(*cell);
}

void CellMap::keyPressEvent(QKeyEvent* event) {
  Cell cell = current_.value_or(Cell{0, 0});
  switch (event->key()) {
  case Qt::Key_Up: --cell.row; break;
  case Qt::Key_Down: ++cell.row; break;
  case Qt::Key_Left: --cell.col; break;
  case Qt::Key_Right: ++cell.col; break;
  default: return event->ignore();
  }
  if (content_.rows == 0 || content_.cols == 0) return event->ignore();
  cell = {std::clamp(cell.row, 0, content_.rows - 1), std::clamp(cell.col, 0, content_.cols - 1)};
  set_current(cell);
  show_cell(cell);
  Q_EMIT cell_clicked(cell);
}

// By the keyboard it is the menu of the current cell.
void CellMap::contextMenuEvent(QContextMenuEvent* event) {
  const bool by_mouse = event->reason() == QContextMenuEvent::Mouse;
  const std::optional<Cell> cell = by_mouse ? cell_at(event->pos()) : current_;
  if (!cell || content_.rows == 0) return event->ignore();
  Q_EMIT menu_wanted(*cell,
                     by_mouse ? event->globalPos() : viewport()->mapToGlobal(cell_rect(*cell).center().toPoint()));
}

bool CellMap::viewportEvent(QEvent* event) {
  if (event->type() == QEvent::Leave && hovered_) {
    hovered_ = std::nullopt;
    viewport()->update();
    Q_EMIT cell_hovered(std::nullopt);
  }
  if (event->type() != QEvent::ToolTip) return QAbstractScrollArea::viewportEvent(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const std::optional<Cell> cell = cell_at(help->pos());
  QToolTip::showText(help->globalPos(), cell && tip ? tip(*cell) : QString(), this);
  return true;
}

} // namespace headscope::gui
