// SPDX-License-Identifier: GPL-3.0-or-later
// Shows errors and notes in one line of the status bar, whose room is always kept, so that nothing moves. A note fades
// after a while; an error stays until it is dismissed or the next message comes. Neither blocks anything.
#pragma once

#include <QLabel>
#include <QPropertyAnimation>
#include <QTimer>
#include <QToolButton>
#include <QWidget>

#include "core/base/result.h"

namespace headscope::gui {

class ElidedLabel;

class MessageBar : public QWidget {
  Q_OBJECT
public:
  explicit MessageBar(QWidget* parent = nullptr);

  void show_error(const QString& what, const Error& error); // also goes into the log
  void show_note(const QString& text);
  void dismiss();
  QString text() const; // whole, also where the line shows only its beginning; empty: no message

Q_SIGNALS:
  void log_wanted();

private:
  void show_text(const QString& text, bool is_error);
  void show_details();

  QLabel* icon_;
  ElidedLabel* text_;
  QToolButton *details_, *dismiss_;
  QTimer until_fading_;
  QPropertyAnimation* fading_;
};

} // namespace headscope::gui
