// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/tour.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QPainter>
#include <QVBoxLayout>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

constexpr int width_in_chars = 52, gap = 8, ring_width = 3;

class Ring : public QWidget {
public:
  explicit Ring(QWidget* parent) : QWidget(parent) {
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setFocusPolicy(Qt::NoFocus);
  }

protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(inks().accent, ring_width));
    const double half = ring_width / 2.0;
    painter.drawRoundedRect(QRectF(rect()).adjusted(half, half, -half, -half), 6, 6);
  }
};

} // namespace

Tour::Tour(std::vector<TourStep> steps, QWidget* window)
    : QFrame(window), steps_(std::move(steps)), text_(new QLabel), back_(new QPushButton(tr("&Back"))),
      next_(new QPushButton), show_me_(new QPushButton(tr("S&how me"))), skip_(new QPushButton(tr("&Skip"))),
      ring_(new Ring(window)) {
  setObjectName(QStringLiteral("tour"));
  setAccessibleName(tr("Tour"));
  setFrameShape(QFrame::StyledPanel);
  setAutoFillBackground(true);
  setBackgroundRole(QPalette::ToolTipBase);
  text_->setWordWrap(true);
  auto* row = new QHBoxLayout;
  row->addWidget(skip_);
  row->addStretch(1);
  row->addWidget(show_me_);
  row->addWidget(back_);
  row->addWidget(next_);
  auto* column = new QVBoxLayout(this);
  column->addWidget(text_);
  column->addLayout(row);
  connect(back_, &QPushButton::clicked, this, [this] { go(at_ - 1); });
  connect(next_, &QPushButton::clicked, this, [this] { at_ + 1 < steps_.size() ? go(at_ + 1) : deleteLater(); });
  connect(skip_, &QPushButton::clicked, this, &QObject::deleteLater);
  connect(show_me_, &QPushButton::clicked, this, [this] { steps_[at_].show_me(); });
  connect(this, &QObject::destroyed, ring_, &QObject::deleteLater);
  window->installEventFilter(this);
  go(0);
  show();
  ring_->show();
  next_->setFocus();
}

void Tour::go(std::size_t step) {
  at_ = step;
  text_->setText(tr("%1 of %2. %3").arg(step + 1).arg(steps_.size()).arg(steps_[step].text));
  text_->setAccessibleName(text_->text());
  back_->setEnabled(step > 0);
  next_->setText(step + 1 < steps_.size() ? tr("&Next") : tr("&Done"));
  show_me_->setVisible(static_cast<bool>(steps_[step].show_me));
  place();
}

// Below the part where there is room, else above it, else over its lower edge.
void Tour::place() {
  QWidget* window = parentWidget();
  const QWidget* part = steps_[at_].part();
  const QRect around(part->mapTo(window, QPoint(0, 0)), part->size());
  ring_->setGeometry(around.adjusted(-ring_width, -ring_width, ring_width, ring_width).intersected(window->rect()));
  ring_->raise();
  const int wide = std::min(width_in_chars * fontMetrics().averageCharWidth(), window->width() - 2 * gap);
  const int high = std::max(sizeHint().height(), layout()->heightForWidth(wide));
  int top = around.bottom() + gap;
  if (top + high > window->height()) top = around.top() - gap - high;
  if (top < 0) top = std::min(around.bottom(), window->height()) - gap - high;
  const int left = std::clamp(around.center().x() - wide / 2, gap, std::max(gap, window->width() - wide - gap));
  setGeometry(left, std::max(0, top), wide, high);
  raise();
}

// The part moves and grows with the window.
bool Tour::eventFilter(QObject* object, QEvent* event) {
  if (event->type() == QEvent::Resize || event->type() == QEvent::LayoutRequest)
    QMetaObject::invokeMethod(this, &Tour::place, Qt::QueuedConnection);
  return QFrame::eventFilter(object, event);
}

void Tour::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Escape)
    deleteLater();
  else
    event->accept(); // arrows between the buttons are not the window's
}

} // namespace headscope::gui
