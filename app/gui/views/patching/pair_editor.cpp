// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/patching/pair_editor.h"

#include <QGridLayout>
#include <QKeyEvent>
#include <QMenu>

#include "app/gui/style/folding_row.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/patching/token_rows.h"
#include "core/engine/hook.h"
#include "core/prompts/tasks/task.h"

namespace headscope::gui {
namespace {

// The points usually patched, out of all that parse_hook_point() knows.
constexpr HookPoint sites[] = {HookPoint::resid_pre, HookPoint::resid_mid, HookPoint::resid_post, HookPoint::attn_out,
                               HookPoint::mlp_out,   HookPoint::z,         HookPoint::q,          HookPoint::k,
                               HookPoint::v,         HookPoint::pattern};

bool has_heads(const QString& site) {
  const auto point = parse_hook_point(site.toStdString());
  return point.ok() && hook_axes(*point) != HookAxes::pos_d;
}

QPlainTextEdit* prompt_edit(const QString& name) {
  auto* edit = new QPlainTextEdit;
  edit->setAccessibleName(name);
  edit->setTabChangesFocus(true);
  edit->setPlaceholderText(name);
  follow_font(*edit, [edit] {
    edit->setFixedHeight(edit->fontMetrics().lineSpacing() * 2 +
                         2 * static_cast<int>(edit->document()->documentMargin()) + 4);
  });
  return edit;
}

QComboBox* choice(const QString& name) {
  auto* box = new QComboBox;
  box->setAccessibleName(name);
  box->setToolTip(name);
  box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  return box;
}

} // namespace

PairEditor::PairEditor(QWidget* parent)
    : QWidget(parent), clean_(prompt_edit(tr("Clean prompt"))), corrupt_(prompt_edit(tr("Corrupt prompt"))),
      answer_(new QLineEdit), wrong_(new QLineEdit), site_(choice(tr("What is patched"))),
      axes_(choice(tr("Axes of the map"))), metric_(choice(tr("Metric"))), direction_(choice(tr("Direction"))),
      tasks_(new QToolButton), estimate_(new QCheckBox(tr("&Estimate"))), run_(new QPushButton(tr("&Run"))),
      tokens_(new TokenRows) {
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setColumnStretch(0, 1);
  grid->setColumnStretch(1, 1);
  make_prompts(*grid);
  grid->addWidget(tokens_, 2, 0, 1, 2);
  make_choices(*grid);
  limit_axes();
}

// Beside the name of a prompt is the token that is its answer.
void PairEditor::make_prompts(QGridLayout& grid) {
  int column = 0;
  for (const auto& [edit, title, answer] :
       {std::tuple(clean_, tr("&Clean prompt"), answer_), {corrupt_, tr("C&orrupt prompt"), wrong_}}) {
    auto* label = new QLabel(title);
    label->setBuddy(edit);
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(answer, 1);
    grid.addLayout(row, 0, column);
    grid.addWidget(edit, 1, column++);
    edit->installEventFilter(this);
    connect(edit, &QPlainTextEdit::textChanged, this, [this] {
      if (quiet_) return;
      touched_ = true;
      Q_EMIT edited();
    });
  }
  for (QLineEdit* edit : {answer_, wrong_}) {
    edit->setAccessibleName(edit == answer_ ? tr("Answer") : tr("Wrong answer"));
    edit->setToolTip(edit == answer_
                         ? tr("The right next token of the clean prompt, with its space; empty: the likeliest")
                         : tr("The wrong one, with its space; empty: the likeliest of the corrupt prompt"));
    edit->setPlaceholderText(edit == answer_ ? tr("Answer") : tr("Wrong answer"));
    connect(edit, &QLineEdit::returnPressed, this, &PairEditor::run_wanted);
  }
  setTabOrder(clean_, corrupt_);
  setTabOrder(corrupt_, answer_);
  setTabOrder(answer_, wrong_);
}

void PairEditor::make_choices(QGridLayout& grid) {
  const auto add = [](QComboBox* box, const char* name, const char* tip) {
    box->addItem(QString::fromLatin1(name), QString::fromLatin1(name));
    box->setItemData(box->count() - 1, QString::fromLatin1(tip), Qt::ToolTipRole);
  };
  for (const HookPoint site : sites)
    site_->addItem(QString::fromLatin1(short_name(site)), QString::fromLatin1(short_name(site)));
  for (const Named<PatchAxes>& axes : names_of<PatchAxes>()) // those of a map; limit_axes() chooses where `auto` would
    if (axes.value == PatchAxes::layer_position || axes.value == PatchAxes::layer_head)
      add(axes_, axes.name, axes.what);
  for (const Named<MetricKind>& metric : names_of<MetricKind>())
    add(metric_, metric.name, metric.what);
  direction_->addItem(tr("denoise"), false);
  direction_->addItem(tr("noise"), true);
  direction_->setItemData(0, tr("Clean activations go into the corrupt run"), Qt::ToolTipRole);
  direction_->setItemData(1, tr("Corrupt activations go into the clean run"), Qt::ToolTipRole);
  run_->setToolTip(tr("Patch every layer (Ctrl+Enter in a prompt)"));
  auto* row = new QHBoxLayout;
  for (QComboBox* box : {site_, axes_, metric_, direction_}) {
    box->setMinimumContentsLength(6);
    box->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
    follow_font(*box, [box] { box->setMinimumWidth(box->fontMetrics().averageCharWidth() * 9); });
    row->addWidget(box, box == axes_ ? 3 : 2);
  }
  estimate_->setToolTip(tr("Attribution patching: every cell estimated from one gradient, much faster; the strongest "
                           "cells and some others are patched to compare. Estimates can be far off."));
  make_tasks();
  auto* below = new QHBoxLayout;
  below->addWidget(tasks_);
  below->addStretch(1);
  below->addWidget(estimate_);
  below->addWidget(run_);
  auto* choices = new FoldingRow;
  choices->parts().addLayout(row, 1);
  choices->parts().addLayout(below);
  grid.addWidget(choices, 3, 0, 1, 2);
  connect(site_, &QComboBox::currentIndexChanged, this, &PairEditor::limit_axes);
  connect(run_, &QPushButton::clicked, this, &PairEditor::run_wanted);
}

void PairEditor::make_tasks() {
  tasks_->setText(tr("From a task"));
  tasks_->setToolTip(tr("Take a pair of a generated task; choosing it again gives another pair"));
  tasks_->setPopupMode(QToolButton::InstantPopup);
  auto* menu = new QMenu(tasks_);
  menu->setToolTipsVisible(true);
  for (const TaskKind& task : task_kinds()) {
    const QString name = QString::fromStdString(std::string(task.name));
    menu->addAction(name, this, [this, name] { Q_EMIT task_wanted(name); })
        ->setToolTip(QString::fromStdString(std::string(task.title)));
  }
  tasks_->setMenu(menu);
}

void PairEditor::limit_axes() {
  const bool heads = has_heads(site_->currentData().toString());
  axes_->setEnabled(heads);
  const char* axes = name_of(heads ? PatchAxes::layer_head : PatchAxes::layer_position);
  axes_->setCurrentIndex(axes_->findData(QString::fromLatin1(axes)));
}

bool PairEditor::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() == QEvent::KeyPress) {
    const auto* key = static_cast<QKeyEvent*>(event);
    const bool enter = key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter;
    if (enter && key->modifiers().testFlag(Qt::ControlModifier)) {
      Q_EMIT run_wanted();
      return true;
    }
  }
  return QWidget::eventFilter(watched, event);
}

PatchPrompts PairEditor::prompts() const {
  return {clean_->toPlainText().toStdString(), corrupt_->toPlainText().toStdString(), answer_->text().toStdString(),
          wrong_->text().toStdString(), true};
}

PatchTexts PairEditor::typed() const {
  if (!touched_) return {};
  return {clean_->toPlainText().toStdString(), corrupt_->toPlainText().toStdString()};
}

PatchSettings PairEditor::settings() const {
  return {site_->currentData().toString().toStdString(),
          axes_->currentData().toString().toStdString(),
          metric_->currentData().toString().toStdString(),
          direction_->currentData().toBool(),
          estimate_->isChecked(),
          std::nullopt,
          std::nullopt};
}

void PairEditor::offer_prompt(const QString& text) {
  if (!touched_ && !text.isEmpty()) set_texts(text, text);
}

void PairEditor::offer_pair(const QString& clean, const QString& corrupt) {
  if (!touched_) set_texts(clean, corrupt);
}

void PairEditor::set_texts(const QString& clean, const QString& corrupt) {
  quiet_ = true;
  clean_->setPlainText(clean);
  corrupt_->setPlainText(corrupt);
  quiet_ = false;
  touched_ = clean != corrupt;
  Q_EMIT edited();
}

void PairEditor::set_settings(const PatchSettings& settings) {
  for (const auto& [box, value] : {std::pair(site_, QVariant(QString::fromStdString(settings.site))),
                                   {axes_, QVariant(QString::fromStdString(settings.axes))},
                                   {metric_, QVariant(QString::fromStdString(settings.metric))},
                                   {direction_, QVariant(settings.noising)}})
    if (const int at = box->findData(value); at >= 0) box->setCurrentIndex(at);
  estimate_->setChecked(settings.estimate);
}

void PairEditor::show_pair(const PatchPairInfo& pair) {
  show_tokens(pair.clean, pair.corrupt);
  const auto show = [](QLineEdit* edit, const QString& title, const std::optional<TokenInfo>& token) {
    edit->setPlaceholderText(token ? tr("%1: %2 (likeliest)").arg(title, token_text(token->text)) : title);
  };
  show(answer_, tr("Answer"), pair.answer);
  show(wrong_, tr("Wrong answer"), pair.wrong);
}

void PairEditor::show_tokens(const std::vector<TokenInfo>& clean, const std::vector<TokenInfo>& corrupt) {
  tokens_->set_tokens(clean, corrupt);
}

void PairEditor::set_live(bool live) {
  for (QWidget* widget : std::initializer_list<QWidget*>{clean_, corrupt_, answer_, wrong_, site_, metric_, direction_,
                                                         estimate_, tasks_})
    widget->setEnabled(live);
  axes_->setEnabled(live && has_heads(site_->currentData().toString()));
  if (!live) run_->setEnabled(false);
}

} // namespace headscope::gui
