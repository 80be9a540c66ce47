// SPDX-License-Identifier: GPL-3.0-or-later
// What stands in one row where there is room for it, and otherwise one part below the other. It asks for no more width
// than its widest part, however the parts stand now.
#pragma once

#include <algorithm>

#include <QBoxLayout>
#include <QWidget>

#include "app/gui/style/is_wide.h"

namespace headscope::gui {

class FoldingRow : public QWidget {
public:
  FoldingRow() : parts_(new QBoxLayout(QBoxLayout::TopToBottom, this)) {
    parts_->setContentsMargins(0, 0, 0, 0);
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
  }

  QBoxLayout& parts() { return *parts_; }
  QSize minimumSizeHint() const override {
    int width = 0;
    for (int i = 0; i < parts_->count(); ++i)
      width = std::max(width, parts_->itemAt(i)->minimumSize().width());
    return {width, QWidget::minimumSizeHint().height()};
  }

protected:
  void resizeEvent(QResizeEvent* event) override {
    QWidget::resizeEvent(event);
    parts_->setDirection(is_wide(*this) ? QBoxLayout::LeftToRight : QBoxLayout::TopToBottom);
  }

private:
  QBoxLayout* parts_;
};

} // namespace headscope::gui
