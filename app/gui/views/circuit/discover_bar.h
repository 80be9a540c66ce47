// SPDX-License-Identifier: GPL-3.0-or-later
// Finds a circuit of the open model: the method `circuit` with those of its options that a first look needs, on the
// pair of the patching view or on a task. The view Methods has all of them.
#pragma once

#include <QWidget>

#include "app/gui/engine/method_job.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/workspace/workspace.h"

class QBoxLayout;
class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;

namespace headscope::gui {

class DiscoverBar : public QWidget {
  Q_OBJECT
public:
  explicit DiscoverBar(Workspace& workspace, QWidget* parent = nullptr);

  bool running() const { return job_ != 0; }
  QString note() const;          // progress, or what went wrong
  MethodRequest request() const; // what Run would ask for
  void set_kept_file(const QString& path);
  void run();
  void cancel();

Q_SIGNALS:
  // A result file of the session that holds the circuit.
  void found(const QString& path, const QString& title, const headscope::gui::Origin& made_of);
  void kept(const QString& path); // the same, where the user asked for the file

private:
  void make_rows();
  QWidget* make_field(const char* name);
  void add_field(QBoxLayout& row, const char* name, const QString& label);
  void make_keep(QBoxLayout& row);
  void fill_pairs();
  void take_answer(const MethodAnswer& answer, const Origin& made_of);
  void show_state();
  void show_progress();
  bool of_pair() const;
  QString why_not() const; // it cannot run now; empty: it can
  QString title_of(const MethodRequest& request) const;

  Workspace& workspace_;
  MethodForm form_;
  JobId job_ = 0; // 0: none runs
  QComboBox* pairs_;
  QPushButton *run_, *cancel_;
  QLineEdit* file_;
  QLabel* note_;
  QLineEdit* count_ = nullptr;
  QString replaceable_; // a file that may be replaced
};

} // namespace headscope::gui
