// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/help/help_window.h"

#include <QScreen>
#include <QSplitter>
#include <QVBoxLayout>

namespace headscope::gui {

HelpWindow::HelpWindow(std::vector<HelpTopic> topics, QWidget* parent)
    : QDialog(parent), topics_(std::move(topics)), list_(new QListWidget), page_(new QTextBrowser) {
  setWindowTitle(tr("Help"));
  list_->setAccessibleName(tr("Topics"));
  page_->setAccessibleName(tr("Page"));
  for (const HelpTopic& topic : topics_)
    list_->addItem(topic.title);
  auto* halves = new QSplitter;
  halves->addWidget(list_);
  halves->addWidget(page_);
  halves->setStretchFactor(1, 1);
  halves->setChildrenCollapsible(false);
  halves->setSizes({20 * fontMetrics().averageCharWidth(), 80 * fontMetrics().averageCharWidth()});
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 4, 4, 4);
  column->addWidget(halves);
  const QSize wanted(100 * fontMetrics().averageCharWidth(), 34 * fontMetrics().lineSpacing());
  resize(wanted.boundedTo(screen()->availableSize()));
  connect(list_, &QListWidget::currentRowChanged, this, [this](int row) {
    if (row >= 0) page_->setMarkdown(topics_[static_cast<std::size_t>(row)].markdown);
  });
  if (!topics_.empty()) list_->setCurrentRow(0);
}

void HelpWindow::show_topic(const QString& id) {
  const auto found = std::find_if(topics_.begin(), topics_.end(), [&](const HelpTopic& t) { return t.id == id; });
  list_->setCurrentRow(found == topics_.end() ? 0 : static_cast<int>(found - topics_.begin()));
}

QString HelpWindow::topic() const {
  const int row = list_->currentRow();
  return row < 0 ? QString() : topics_[static_cast<std::size_t>(row)].id;
}

} // namespace headscope::gui
