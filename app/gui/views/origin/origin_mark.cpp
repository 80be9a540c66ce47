// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/origin/origin_mark.h"

#include <QEvent>
#include <QPainter>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {
constexpr int dimmed_alpha = 150; // of 255: what lies below can still be read
constexpr int margin = 4;
} // namespace

OriginMark::OriginMark(Workspace& workspace, QWidget* over, Qt::Edge edge)
    : QWidget(over), workspace_(workspace), edge_(edge) {
  setObjectName(QStringLiteral("origin-mark"));
  setAttribute(Qt::WA_TransparentForMouseEvents);
  setFocusPolicy(Qt::NoFocus);
  over->installEventFilter(this);
  connect(&workspace, &Workspace::in_force_changed, this, &OriginMark::update_text);
  hide();
}

void OriginMark::set_origin(std::optional<Origin> origin) {
  origin_ = std::move(origin);
  update_text();
}

void OriginMark::update_text() {
  // What depends on no prompt is of the open model, whatever prompt of a file is looked at.
  const Origin now = workspace_.origin({!origin_ || origin_->tokens, true, true});
  why_ = origin_ ? why_outdated(*origin_, now) : QString();
  text_ = why_.isEmpty() && origin_ ? caveat(*origin_, now) : why_;
  setAccessibleName(text_);
  setVisible(!text_.isEmpty());
  lie_over();
  update();
}

void OriginMark::lie_over() {
  setGeometry(parentWidget()->rect());
  raise();
}

bool OriginMark::eventFilter(QObject* watched, QEvent* event) {
  if (watched == parentWidget() && (event->type() == QEvent::Resize || event->type() == QEvent::ChildAdded)) lie_over();
  return QWidget::eventFilter(watched, event);
}

QRect OriginMark::strip() const {
  const QFontMetrics metrics(font());
  const int wanted = metrics.horizontalAdvance(text_) + 4 * margin;
  const int width = std::min(wanted, this->width()), height = metrics.height() + 2 * margin;
  return {(this->width() - width) / 2, edge_ == Qt::BottomEdge ? this->height() - height : 0, width, height};
}

void OriginMark::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  QColor page = palette().color(QPalette::Window);
  if (outdated()) {
    page.setAlpha(dimmed_alpha);
    painter.fillRect(rect(), page);
  }
  const QRect place = strip();
  page.setAlpha(235);
  painter.setPen(outdated() ? inks().warning : inks().muted);
  painter.setBrush(page);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.drawRoundedRect(QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5), margin, margin);
  painter.drawText(place.adjusted(margin, 0, -margin, 0), Qt::AlignCenter,
                   QFontMetrics(font()).elidedText(text_, Qt::ElideRight, place.width() - 2 * margin));
}

} // namespace headscope::gui
