// SPDX-License-Identifier: GPL-3.0-or-later
// Which heads are ablated and how: everything that changes AblationState.
#pragma once

#include <QWidget>

#include "app/gui/workspace/workspace.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QListWidget;
class QPlainTextEdit;
class QSpinBox;
class QTimer;

namespace headscope::gui {

class AblationControls : public QWidget {
  Q_OBJECT
public:
  explicit AblationControls(Workspace& workspace, QWidget* parent = nullptr);

  // Adds the heads that a text such as "18.6, 17" names; shows beside the field what is wrong with it.
  void add_named(const QString& text);
  void add_selected();
  void add_strongest(int count, const std::string& score);

private:
  std::vector<std::string> reference() const; // texts, one a line
  QWidget* make_adding();
  QWidget* make_method();
  void add(const std::vector<HeadId>& heads, const QString& what);
  void show_heads();
  void show_scores();
  void change_method();

  Workspace& workspace_;
  QListWidget* list_;
  QLineEdit* names_ = nullptr;
  QLabel* problem_ = nullptr;
  QSpinBox* count_ = nullptr;
  QComboBox *score_ = nullptr, *how_ = nullptr, *when_ = nullptr;
  QPlainTextEdit* reference_ = nullptr;
  QWidget* reference_box_ = nullptr;
  QTimer* reference_timer_;
};

} // namespace headscope::gui
