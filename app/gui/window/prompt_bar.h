// SPDX-License-Identifier: GPL-3.0-or-later
// The prompt bar above all views: text, tokens, generation, and stepping through generated tokens.
#pragma once

#include <vector>

#include <QTimer>
#include <QWidget>

#include "app/gui/engine/generate_job.h"
#include "app/gui/workspace/workspace.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QToolButton;

namespace headscope::gui {

class PromptEdit;
class TokenStrip;

class PromptBar : public QWidget {
  Q_OBJECT
public:
  explicit PromptBar(Workspace& workspace, QWidget* parent = nullptr);

  // Shows the prompt up to that many generated tokens; the views follow.
  void step_to(int generated);
  int generated_shown() const;
  void focus_text();
  // Puts the text into the field and takes it.
  void take_text(const QString& text);
  int generated_count() const { return static_cast<int>(generated_.size()); }

private:
  QWidget* make_options_row();
  QWidget* make_generation_fields();
  QToolButton* make_examples_button();
  void take();
  void generate();
  void stop();
  void show_generation(const Continuation& continuation, bool last);
  void pin(int token, Qt::KeyboardModifiers modifiers);
  void show_token_menu(int token, const QPoint& place);
  void take_up_prompt();
  void take_up_model();
  void take_up_result();
  void count_soon();
  void count();
  void show_count();
  void show_tokens();
  void show_steps();
  void show_generation_fields();
  PromptRequest request() const;

  Workspace& workspace_;
  PromptEdit* edit_;
  TokenStrip* strip_;
  QPushButton* take_;
  QCheckBox *chat_ = nullptr, *bos_ = nullptr;
  QComboBox* stored_ = nullptr;
  QLabel* count_ = nullptr;
  QSpinBox *new_tokens_ = nullptr, *seed_ = nullptr;
  QDoubleSpinBox* temperature_ = nullptr;
  QPushButton* generate_ = nullptr;
  QToolButton* generation_ = nullptr; // opens the fields
  QToolButton *back_ = nullptr, *forward_ = nullptr;
  QLabel* step_ = nullptr;
  QTimer count_timer_;
  JobId job_ = 0; // of the generation; 0: none
  std::vector<TokenInfo> generated_;
  bool stepping_ = false;
  std::int64_t n_tokens_ = 0;
};

} // namespace headscope::gui
