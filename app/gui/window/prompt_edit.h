// SPDX-License-Identifier: GPL-3.0-or-later
// The text field of the prompt bar. Enter takes the prompt, Shift+Enter begins a new line. It grows with its text up to
// a few lines.
#pragma once

#include <QPlainTextEdit>

namespace headscope::gui {

class PromptEdit : public QPlainTextEdit {
  Q_OBJECT
public:
  // Characters; to lay out many more would stop the interface thread for seconds, so a longer text is kept aside and
  // the field shows its beginning, read-only.
  static constexpr qsizetype longest_shown = 20000;

  explicit PromptEdit(QWidget* parent = nullptr);

  QString text() const; // whole, whatever the field shows
  void set_text(const QString& text);

  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return {120, sizeHint().height()}; }

Q_SIGNALS:
  void taken();

protected:
  void keyPressEvent(QKeyEvent* event) override;
  void insertFromMimeData(const QMimeData* source) override;

private:
  bool folded() const { return !kept_.isEmpty(); }
  void fit();

  QString kept_; // a text too long to be shown
  int lines_ = 1;
};

} // namespace headscope::gui
