// SPDX-License-Identifier: GPL-3.0-or-later
// Shows what a method answered: errors and warnings first, then its report.
#pragma once

#include <optional>

#include <QWidget>

#include "app/gui/engine/method_job.h"

class QLabel;
class QPlainTextEdit;
class QPushButton;

namespace headscope::gui {

class MethodResult : public QWidget {
  Q_OBJECT
public:
  explicit MethodResult(QWidget* parent = nullptr);

  void show_answer(const std::optional<MethodAnswer>& answer);
  // Says why the result is not what the form would give now; empty: it is.
  void show_stale(const QString& why);

  QString text() const;
  QString messages() const; // the error and the warnings
  QString stale() const;
  QPushButton& open_button() const { return *open_; }

Q_SIGNALS:
  void open_wanted(const QString& path);

private:
  QWidget* make_buttons();

  QLabel *stale_, *messages_, *notes_;
  QPlainTextEdit* text_;
  QPushButton *copy_ = nullptr, *copy_json_ = nullptr, *open_ = nullptr;
  QString json_, file_;
};

} // namespace headscope::gui
