// SPDX-License-Identifier: GPL-3.0-or-later
// One muted line of text that yields space: what does not fit is replaced by "…", and the whole is shown as a tool tip.
#pragma once

#include <QLabel>
#include <QPainter>
#include <QPalette>

#include "app/gui/style/theme.h"

namespace headscope::gui {

class ElidedLabel : public QLabel {
public:
  ElidedLabel() { setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred); }

protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.setPen(inks().muted);
    const QString shown = fontMetrics().elidedText(text(), Qt::ElideRight, width());
    if (toolTip() != (shown == text() ? QString() : text())) setToolTip(shown == text() ? QString() : text());
    painter.drawText(rect(), static_cast<int>(Qt::AlignLeft | Qt::AlignVCenter) | Qt::TextSingleLine, shown);
  }
};

} // namespace headscope::gui
