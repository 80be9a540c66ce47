// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of a view one below the other where there is height for all of them, and otherwise one at a time, chosen by
// tabs; side by side, where that is asked for and there is width. It asks for no more than its largest part,
// however the parts stand now.
#pragma once

#include <algorithm>
#include <vector>

#include <QEvent>
#include <QStackedLayout>
#include <QTabBar>
#include <QVBoxLayout>
#include <QWidget>

#include "app/gui/style/is_wide.h"

namespace headscope::gui {

class FoldingColumn : public QWidget {
public:
  explicit FoldingColumn(const QString& name)
      : tabs_(new QTabBar), column_(new QVBoxLayout(this)), body_(new QBoxLayout(QBoxLayout::TopToBottom)) {
    column_->setContentsMargins(0, 0, 0, 0);
    column_->setSizeConstraint(QLayout::SetNoConstraint);
    column_->addWidget(tabs_);
    column_->addLayout(body_, 1);
    tabs_->setAccessibleName(name);
    tabs_->setDrawBase(false);
    tabs_->setExpanding(false);
    tabs_->setUsesScrollButtons(false);
    tabs_->setElideMode(Qt::ElideRight);
    tabs_->hide();
    connect(tabs_, &QTabBar::currentChanged, this, [this] { show_parts(); });
  }

  void add(QWidget* part, const QString& title, int stretch = 0) {
    parts_.push_back(part);
    body_->addWidget(part, stretch);
    tabs_->addTab(title);
    show_parts();
  }
  // Stays below whichever parts are shown; of a fixed height, so that what it says moves nothing.
  void set_footer(QWidget* footer) {
    footer_ = footer;
    column_->addWidget(footer);
  }
  void set_beside_where_wide() { beside_ = true; }
  // Where one is shown at a time, this one.
  void bring_up(const QWidget* part) {
    if (const auto at = std::ranges::find(parts_, part); at != parts_.end())
      tabs_->setCurrentIndex(static_cast<int>(at - parts_.begin()));
  }
  QWidget* part(std::size_t index) const { return parts_[index]; }
  bool folded() const { return folded_; }

  bool hasHeightForWidth() const override { return false; }
  QSize minimumSizeHint() const override {
    QSize size(0, 0);
    for (const QWidget* part : parts_)
      size = size.expandedTo({least_width(*part), least_height(*part)});
    return {size.width(), size.height() + tabs_->sizeHint().height() + column_->spacing() + footer_height()};
  }
  QSize sizeHint() const override { return column_->sizeHint().expandedTo(minimumSizeHint()); }

protected:
  void resizeEvent(QResizeEvent* event) override {
    QWidget::resizeEvent(event);
    fold();
  }
  // A part has become higher or lower.
  bool event(QEvent* event) override {
    if (event->type() == QEvent::LayoutRequest) fold();
    return QWidget::event(event);
  }

private:
  int least_width(const QWidget& part) const { return part.minimumSizeHint().expandedTo(part.minimumSize()).width(); }
  // At the width that it would have.
  int least_height(const QWidget& part) const {
    if (const auto* pages = qobject_cast<const QStackedLayout*>(part.layout())) { // which gives what they would like
      int most = 0;
      for (int i = 0; i < pages->count(); ++i)
        most = std::max(most, least_height(*pages->widget(i)));
      return most;
    }
    const int fixed = part.minimumSizeHint().expandedTo(part.minimumSize()).height();
    QLayout* layout = part.layout();
    if (!layout || !layout->hasHeightForWidth() || width() <= 0) return fixed;
    return std::max(fixed, layout->minimumHeightForWidth(std::max(width(), least_width(part))));
  }
  int footer_height() const { return footer_ ? footer_->minimumHeight() + column_->spacing() : 0; }
  void fold() {
    const bool beside = beside_ && is_wide(*this);
    body_->setDirection(beside ? QBoxLayout::LeftToRight : QBoxLayout::TopToBottom);
    int needed = -body_->spacing();
    needed += footer_height();
    for (const QWidget* part : parts_)
      needed += least_height(*part) + body_->spacing();
    if (const bool folded = !beside && needed > height(); folded != folded_) {
      folded_ = folded;
      show_parts();
    }
  }
  void show_parts() {
    tabs_->setVisible(folded_);
    for (std::size_t i = 0; i < parts_.size(); ++i)
      parts_[i]->setVisible(!folded_ || static_cast<int>(i) == tabs_->currentIndex());
  }

  QTabBar* tabs_;
  QVBoxLayout* column_;
  QBoxLayout* body_;
  std::vector<QWidget*> parts_;
  QWidget* footer_ = nullptr;
  bool folded_ = false, beside_ = false;
};

} // namespace headscope::gui
