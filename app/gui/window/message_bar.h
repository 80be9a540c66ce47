// SPDX-License-Identifier: GPL-3.0-or-later
// Shows errors and notes above the views; they stay until they are dismissed or the next one comes, and never block
// anything.
#pragma once

#include <QFrame>
#include <QLabel>

#include "core/base/result.h"

namespace headscope::gui {

class MessageBar : public QFrame {
  Q_OBJECT
public:
  explicit MessageBar(QWidget* parent = nullptr);

  void show_error(const QString& what, const Error& error); // also goes into the log
  void show_note(const QString& text);
  QString text() const { return text_->text(); }

Q_SIGNALS:
  void log_wanted();
  void wanted(bool shown); // the bar's container shows and hides itself with it

private:
  void show_text(const QString& text, bool is_error);

  QLabel* icon_;
  QLabel* text_;
  QWidget* log_;
};

} // namespace headscope::gui
