// SPDX-License-Identifier: GPL-3.0-or-later
// One line of text that yields space: what does not fit is replaced by "…", and the whole is shown as a tool tip.
#pragma once

#include <QLabel>
#include <QPainter>
#include <QPalette>

#include "app/gui/style/theme.h"

namespace headscope::gui {

class ElidedLabel : public QLabel {
public:
  ElidedLabel() { setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred); }
  void set_muted(bool muted) { muted_ = muted; } // as it is at first

protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.setPen(muted_ ? inks().muted : inks().text);
    const QString line = text().simplified(), shown = fontMetrics().elidedText(line, Qt::ElideRight, width());
    if (toolTip() != (shown == line ? QString() : text())) setToolTip(shown == line ? QString() : text());
    painter.drawText(rect(), static_cast<int>(Qt::AlignLeft | Qt::AlignVCenter) | Qt::TextSingleLine, shown);
  }

private:
  bool muted_ = true;
};

} // namespace headscope::gui
