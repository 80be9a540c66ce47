// SPDX-License-Identifier: GPL-3.0-or-later
// Edits the pair of prompts, the answers, and what is patched.
#pragma once

#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QToolButton>
#include <QWidget>

#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

class TokenRows;

class PairEditor : public QWidget {
  Q_OBJECT
public:
  explicit PairEditor(QWidget* parent = nullptr);

  PatchPrompts prompts() const;
  PatchSettings settings() const;
  PatchTexts typed() const; // empty while the texts follow the prompt
  // Texts that the user has not touched follow the window's prompt.
  void offer_prompt(const QString& text);
  void offer_pair(const QString& clean, const QString& corrupt);
  void set_texts(const QString& clean, const QString& corrupt);
  QLineEdit& answer() { return *answer_; }
  QLineEdit& wrong() { return *wrong_; }
  void set_settings(const PatchSettings& settings);
  // Shows the tokens, and the answers used where none is typed.
  void show_pair(const PatchPairInfo& pair);
  void show_tokens(const std::vector<TokenInfo>& clean, const std::vector<TokenInfo>& corrupt);
  void set_live(bool live); // a model is open
  void set_runnable(bool runnable) { run_->setEnabled(runnable); }
  TokenRows& tokens() { return *tokens_; }

Q_SIGNALS:
  void edited();
  void run_wanted();
  void task_wanted(const QString& name); // a pair of it

protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

private:
  void make_prompts(class QGridLayout& grid);
  void make_choices(QGridLayout& grid);
  void make_tasks();
  void limit_axes();

  QPlainTextEdit *clean_, *corrupt_;
  QLineEdit *answer_, *wrong_;
  QComboBox *site_, *axes_, *metric_, *direction_;
  QToolButton* tasks_;
  QCheckBox* estimate_;
  QPushButton* run_;
  TokenRows* tokens_;
  bool touched_ = false, quiet_ = false;
};

} // namespace headscope::gui
