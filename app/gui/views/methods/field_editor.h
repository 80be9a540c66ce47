// SPDX-License-Identifier: GPL-3.0-or-later
// One field of a form: a check box, a choice, a line or lines of text, with what is wrong with it below.
#pragma once

#include <functional>

#include <QWidget>

#include "app/gui/forms/method_form.h"

class QBoxLayout;
class QLabel;
class QToolButton;

namespace headscope::gui {

class FieldEditor : public QWidget {
  Q_OBJECT
public:
  explicit FieldEditor(const FormField& field, QWidget* parent = nullptr);

  QString text() const { return get_(); }
  void set_text(const QString& text) { set_(text); }
  // Shows what is wrong with the field; empty: nothing.
  void show_problem(const QString& problem);
  QString problem() const;
  // Offers a text that one click takes over; empty: none.
  void offer(const QString& text);
  // The widget that takes the focus and is the label's buddy.
  QWidget& editor() const { return *editor_; }
  QToolButton* taker() const { return take_; } // of the offered text; null where none can be offered

Q_SIGNALS:
  void edited();
  void offer_taken();

private:
  void make_flag();
  void make_choice(const FormField& field);
  void make_line(const FormField& field);
  void make_lines(const FormField& field);
  void add_unit(QBoxLayout& row, const FormField& field);
  void add_file_button(QBoxLayout& row, const FormField& field);
  void add_take_button(QBoxLayout& row);

  QWidget* editor_ = nullptr;
  QLabel* problem_ = nullptr;
  QToolButton* take_ = nullptr;
  QString help_;
  std::function<QString()> get_;
  std::function<void(const QString&)> set_;
  std::function<void(const QString&)> set_placeholder_; // of texts
};

} // namespace headscope::gui
