// SPDX-License-Identifier: GPL-3.0-or-later
// Says, above all views, that the open result is of another model than the open one, and offers to open that model or
// to close the result.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QPushButton>

#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

class ModelBanner : public QFrame {
  Q_OBJECT
public:
  explicit ModelBanner(Workspace& workspace, QWidget* parent = nullptr);

Q_SIGNALS:
  void wanted(bool shown); // its container shows and hides itself with it
  void open_wanted(const QString& model);

private:
  void update_text();

  Workspace& workspace_;
  QLabel* text_;
  QPushButton* open_;
  QString model_; // of the result: a path or a packaged model's name; empty: it is nowhere to be found
};

} // namespace headscope::gui
