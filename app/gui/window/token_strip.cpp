// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/token_strip.h"

#include <algorithm>

#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include "app/gui/style/keys.h"
#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr int gap = 3;
constexpr std::size_t longest_label = 24;

} // namespace

TokenStrip::TokenStrip(QWidget* parent) : QAbstractScrollArea(parent) {
  setHorizontalScrollBarPolicy(Qt::ScrollBarAsNeeded);
  setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  setFrameShape(QFrame::NoFrame);
  setFocusPolicy(Qt::StrongFocus);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  setAccessibleName(tr("Tokens of the prompt"));
  set_keys(*this, tr("Left and right go from token to token, Enter pins one as the query, Shift+Enter as the key, "
                     "the Menu key or Shift+F10 opens its menu"));
  connect(horizontalScrollBar(), &QScrollBar::valueChanged, this, [this] {
    lay_out();
    viewport()->update();
  });
}

void TokenStrip::set_tokens(std::vector<TokenInfo> tokens, std::size_t n_prompt, std::size_t n_shown) {
  tokens_ = std::move(tokens);
  n_prompt_ = n_prompt;
  n_shown_ = n_shown;
  current_ = std::min(current_, static_cast<int>(tokens_.size()) - 1);
  update_range();
  lay_out();
  viewport()->update();
}

void TokenStrip::set_pins(std::optional<int> query, std::optional<int> key) {
  query_ = query;
  key_ = key;
  viewport()->update();
}

QSize TokenStrip::sizeHint() const {
  // Always keeps room for the scroll bar, so that nothing jumps when it appears.
  return {400, fontMetrics().height() + 10 + horizontalScrollBar()->sizeHint().height()};
}

QString TokenStrip::label_of(int token) const {
  return token_text(tokens_[static_cast<std::size_t>(token)].text, longest_label);
}

int TokenStrip::chip_width(const QString& label) const {
  return std::max(fontMetrics().horizontalAdvance(label), fontMetrics().height() / 2) + 8;
}

// The last possible first token is the one from which all the rest fits.
void TokenStrip::update_range() {
  int first = static_cast<int>(tokens_.size());
  int width = 0;
  while (first > 0) {
    width += chip_width(label_of(first - 1)) + gap;
    if (width > viewport()->width()) break;
    --first;
  }
  const int last = static_cast<int>(tokens_.size());
  horizontalScrollBar()->setRange(0, std::min(first, std::max(0, last - 1)));
  horizontalScrollBar()->setPageStep(std::max(1, last - first));
  horizontalScrollBar()->setSingleStep(1);
}

void TokenStrip::lay_out() {
  chips_.clear();
  int x = 0;
  const int height = fontMetrics().height() + 6;
  for (int i = horizontalScrollBar()->value(); i < static_cast<int>(tokens_.size()) && x < viewport()->width(); ++i) {
    QString label = label_of(i);
    const int width = chip_width(label);
    chips_.push_back({i, QRect(x, 1, width, height), std::move(label)});
    x += width + gap;
  }
}

void TokenStrip::scroll_to(int token) {
  if (token < 0 || token >= static_cast<int>(tokens_.size())) return;
  const QRect rect = chip_rect(token);
  if (!rect.isEmpty() && rect.right() < viewport()->width()) return;
  QScrollBar* bar = horizontalScrollBar();
  if (token < bar->value()) return bar->setValue(token);
  // Moves the token as far right as it is still wholly visible.
  int first = token;
  int width = chip_width(label_of(token));
  while (first > 0) {
    width += chip_width(label_of(first - 1)) + gap;
    if (width > viewport()->width()) break;
    --first;
  }
  bar->setValue(first);
}

int TokenStrip::token_at(const QPoint& point) const {
  for (const Chip& chip : chips_)
    if (chip.rect.contains(point)) return chip.token;
  return -1;
}

QRect TokenStrip::chip_rect(int token) const {
  for (const Chip& chip : chips_)
    if (chip.token == token) return chip.rect;
  return {};
}

void TokenStrip::paint_chip(QPainter& painter, const Chip& chip) const {
  const auto at = static_cast<std::size_t>(chip.token);
  const TokenInfo& token = tokens_[at];
  const bool pinned = query_ == chip.token || key_ == chip.token, shown = at < n_shown_;
  QColor fill = palette().color(at < n_prompt_ ? QPalette::Button : QPalette::Base);
  if (pinned) fill = inks().accent;
  painter.setBrush(fill);
  QPen pen(token.special || at >= n_prompt_ ? inks().accent : inks().grid);
  if (token.special) pen.setStyle(Qt::DashLine);
  if (chip.token == current_ && hasFocus()) pen = QPen(inks().text, 2);
  painter.setPen(pen);
  painter.drawRoundedRect(QRectF(chip.rect).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
  painter.setPen(pinned ? text_on(fill) : !shown ? inks().muted : token.special ? inks().accent : inks().text);
  painter.drawText(chip.rect, Qt::AlignCenter, chip.label);
}

void TokenStrip::paintEvent(QPaintEvent*) {
  QPainter painter(viewport());
  painter.setRenderHint(QPainter::Antialiasing);
  if (tokens_.empty()) {
    painter.setPen(inks().muted);
    painter.drawText(viewport()->rect().adjusted(2, 0, 0, -horizontalScrollBar()->sizeHint().height()),
                     Qt::AlignLeft | Qt::AlignVCenter, tr("The tokens of the prompt appear here"));
  }
  for (const Chip& chip : chips_)
    paint_chip(painter, chip);
}

void TokenStrip::resizeEvent(QResizeEvent* event) {
  QAbstractScrollArea::resizeEvent(event);
  update_range();
  lay_out();
}

void TokenStrip::changeEvent(QEvent* event) {
  QAbstractScrollArea::changeEvent(event);
  if (event->type() != QEvent::FontChange) return;
  updateGeometry();
  update_range();
  lay_out();
}

void TokenStrip::mousePressEvent(QMouseEvent* event) {
  const int token = token_at(event->position().toPoint());
  if (token < 0 || event->button() != Qt::LeftButton) return;
  current_ = token;
  Q_EMIT clicked(token, event->modifiers());
}

void TokenStrip::keyPressEvent(QKeyEvent* event) {
  const int last = static_cast<int>(tokens_.size()) - 1;
  switch (event->key()) {
  case Qt::Key_Left: current_ = std::max(0, current_ - 1); break;
  case Qt::Key_Right: current_ = std::min(last, current_ + 1); break;
  case Qt::Key_Home: current_ = 0; break;
  case Qt::Key_End: current_ = last; break;
  case Qt::Key_Return:
  case Qt::Key_Enter:
  case Qt::Key_Space:
    if (current_ >= 0 && current_ <= last) Q_EMIT clicked(current_, event->modifiers());
    return;
  default: event->ignore(); return; // not to the scroll area: up and down are the window's
  }
  scroll_to(current_);
  viewport()->update();
}

// By the keyboard the menu is that of the current token.
void TokenStrip::contextMenuEvent(QContextMenuEvent* event) {
  const bool by_mouse = event->reason() == QContextMenuEvent::Mouse;
  const int token = by_mouse ? token_at(event->pos()) : current_;
  if (token < 0 || token >= static_cast<int>(tokens_.size())) return;
  Q_EMIT menu_wanted(token, by_mouse ? event->globalPos() : viewport()->mapToGlobal(chip_rect(token).bottomLeft()));
}

void TokenStrip::wheelEvent(QWheelEvent* event) {
  const QPoint delta = event->angleDelta();
  const int steps = (std::abs(delta.x()) > std::abs(delta.y()) ? delta.x() : delta.y()) / 40;
  horizontalScrollBar()->setValue(horizontalScrollBar()->value() - steps);
  event->accept();
}

QString TokenStrip::tip_of(int token) const {
  const TokenInfo& info = tokens_[static_cast<std::size_t>(token)];
  QString text = tr("Token %1: %2\nid %3, in the vocabulary: %4")
                     .arg(token)
                     .arg(token_text(info.text, 80))
                     .arg(info.id)
                     .arg(QString::fromStdString(info.piece));
  if (info.special) text += tr("\nA special token");
  if (static_cast<std::size_t>(token) >= n_prompt_) text += tr("\nGenerated");
  return text + tr("\nClick pins it as the query, Shift+click as the key");
}

bool TokenStrip::viewportEvent(QEvent* event) {
  if (event->type() != QEvent::ToolTip) return QAbstractScrollArea::viewportEvent(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  const int token = token_at(help->pos());
  if (token < 0)
    QToolTip::hideText();
  else
    QToolTip::showText(help->globalPos(), tip_of(token), viewport());
  return true;
}

} // namespace headscope::gui
