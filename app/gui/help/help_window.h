// SPDX-License-Identifier: GPL-3.0-or-later
// The window of the help: topics on the left, the page of one on the right. It stays open beside the main window.
#pragma once

#include <QDialog>
#include <QListWidget>
#include <QTextBrowser>

#include "app/gui/help/help_text.h"

namespace headscope::gui {

class HelpWindow : public QDialog {
  Q_OBJECT
public:
  explicit HelpWindow(std::vector<HelpTopic> topics, QWidget* parent = nullptr);

  void show_topic(const QString& id); // the first when there is none of that id
  QString topic() const;              // the one that is shown
  QString text() const { return page_->toPlainText(); }

private:
  std::vector<HelpTopic> topics_;
  QListWidget* list_;
  QTextBrowser* page_;
};

} // namespace headscope::gui
