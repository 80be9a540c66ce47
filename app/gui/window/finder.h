// SPDX-License-Identifier: GPL-3.0-or-later
// The finder (key "/"): finds a head by its number or by a score that it is strong in, or a token of the prompt by its
// text.
#pragma once

#include <vector>

#include <QDialog>
#include <QLineEdit>
#include <QListWidget>

#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

struct Finding {
  QString text;
  std::optional<HeadId> head; // one of the two
  std::optional<int> token;
};

// Finds, best first and at most `most`: heads whose number begins with the text, the strongest heads of scores whose
// title contains it, and tokens whose text contains it.
std::vector<Finding> find_in(const Workspace& workspace, const QString& text, std::size_t most = 50);

class Finder : public QDialog {
  Q_OBJECT
public:
  explicit Finder(Workspace& workspace, QWidget* parent = nullptr);

protected:
  bool eventFilter(QObject* watched, QEvent* event) override; // up and down move in the list while typing

private:
  void show_findings();
  void take();

  Workspace& workspace_;
  QLineEdit* text_;
  QListWidget* list_;
  std::vector<Finding> findings_;
};

} // namespace headscope::gui
