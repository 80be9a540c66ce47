// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/prompt_bar.h"

#include <algorithm>

#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QGridLayout>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QMenu>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QToolButton>
#include <QWidgetAction>

#include "app/gui/style/theme.h"
#include "app/gui/window/prompt_edit.h"
#include "app/gui/window/prompt_examples.h"
#include "app/gui/window/token_strip.h"

namespace headscope::gui {
namespace {

constexpr int count_pause_ms = 150; // of typing, before tokens are counted

QSpinBox* number(int low, int high, int value, const QString& name) {
  auto* box = new QSpinBox;
  box->setRange(low, high);
  box->setValue(value);
  box->setAccessibleName(name);
  box->setToolTip(name);
  return box;
}

} // namespace

// ---- The bar

PromptBar::PromptBar(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), edit_(new PromptEdit), strip_(new TokenStrip),
      take_(new QPushButton(tr("Use prompt"))) {
  setAccessibleName(tr("Prompt bar"));
  take_->setToolTip(tr("Takes the prompt (Enter)"));
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(6, 4, 6, 2);
  grid->setVerticalSpacing(3);
  grid->addWidget(edit_, 0, 0);
  grid->addWidget(make_examples_button(), 0, 1, Qt::AlignTop);
  grid->addWidget(take_, 0, 2, Qt::AlignTop);
  grid->addWidget(make_options_row(), 1, 0, 1, 3);
  grid->addWidget(strip_, 2, 0, 1, 3);
  count_timer_.setSingleShot(true);
  count_timer_.setInterval(count_pause_ms);
  connect(&count_timer_, &QTimer::timeout, this, &PromptBar::count);
  connect(edit_, &PromptEdit::taken, this, &PromptBar::take);
  connect(take_, &QPushButton::clicked, this, &PromptBar::take);
  connect(edit_, &QPlainTextEdit::textChanged, this, &PromptBar::count_soon);
  connect(strip_, &TokenStrip::clicked, this, &PromptBar::pin);
  connect(strip_, &TokenStrip::menu_wanted, this, &PromptBar::show_token_menu);
  connect(&workspace_.prompt(), &PromptState::changed, this, &PromptBar::take_up_prompt);
  connect(&workspace_, &Workspace::model_changed, this, &PromptBar::take_up_model);
  connect(&workspace_, &Workspace::result_changed, this, &PromptBar::take_up_result);
  connect(&workspace_.selection(), &Selection::tokens_changed, this, [this] {
    const Selection& selection = workspace_.selection();
    strip_->set_pins(selection.query(), selection.key());
    if (selection.query()) strip_->scroll_to(*selection.query());
  });
  take_up_model();
  take_up_result();
  show_steps();
}

QWidget* PromptBar::make_options_row() {
  chat_ = new QCheckBox(tr("Chat template"));
  chat_->setToolTip(tr("Puts the prompt into the model's chat template as the user's message"));
  bos_ = new QCheckBox(tr("BOS"));
  bos_->setToolTip(tr("Begins the prompt as the model's tokenizer begins it"));
  bos_->setChecked(true);
  stored_ = new QComboBox;
  stored_->setAccessibleName(tr("Prompts of the result file"));
  stored_->setToolTip(tr("A prompt that the open result file holds"));
  stored_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  stored_->setMinimumContentsLength(14);
  count_ = new QLabel;
  count_->setToolTip(tr("Tokens of the text, and the model's context"));
  generate_ = new QPushButton(tr("Generate"));
  generation_ = new QToolButton;
  generation_->setPopupMode(QToolButton::InstantPopup);
  generation_->setAccessibleName(tr("How text is generated"));
  auto* menu = new QMenu(generation_);
  auto* holds_fields = new QWidgetAction(menu);
  holds_fields->setDefaultWidget(make_generation_fields());
  menu->addAction(holds_fields);
  generation_->setMenu(menu);
  show_generation_fields();
  back_ = new QToolButton;
  back_->setArrowType(Qt::LeftArrow);
  back_->setToolTip(tr("One generated token back: the views show the prompt up to there"));
  back_->setAccessibleName(tr("One generated token back"));
  forward_ = new QToolButton;
  forward_->setArrowType(Qt::RightArrow);
  forward_->setToolTip(tr("One generated token forward"));
  forward_->setAccessibleName(tr("One generated token forward"));
  step_ = new QLabel;
  for (QToolButton* button : {back_, forward_})
    button->setAutoRepeat(true);
  auto* holder = new QWidget;
  auto* row = new QHBoxLayout(holder);
  row->setContentsMargins(0, 0, 0, 0);
  row->addWidget(chat_);
  row->addWidget(bos_);
  row->addWidget(count_);
  row->addWidget(stored_);
  row->addStretch(1);
  row->addWidget(generate_);
  row->addWidget(generation_);
  row->addWidget(back_);
  row->addWidget(step_);
  row->addWidget(forward_);
  for (QCheckBox* box : {chat_, bos_})
    connect(box, &QCheckBox::toggled, this, [this] {
      bos_->setEnabled(!chat_->isChecked());
      count_soon();
      if (workspace_.live()) take();
    });
  connect(stored_, &QComboBox::activated, this, [this](int index) {
    if (index > 0) workspace_.show_stored_prompt(stored_->itemData(index).toString().toStdString());
  });
  connect(generate_, &QPushButton::clicked, this, [this] { job_ ? stop() : generate(); });
  connect(back_, &QToolButton::clicked, this, [this] { step_to(generated_shown() - 1); });
  connect(forward_, &QToolButton::clicked, this, [this] { step_to(generated_shown() + 1); });
  return holder;
}

// How text is generated is seldom changed: the fields open from a button, so that the row fits a small window.
QWidget* PromptBar::make_generation_fields() {
  new_tokens_ = number(1, 4096, 40, tr("New tokens"));
  temperature_ = new QDoubleSpinBox;
  temperature_->setRange(0.0, 5.0);
  temperature_->setSingleStep(0.1);
  temperature_->setAccessibleName(tr("Temperature"));
  temperature_->setToolTip(tr("Temperature; 0 takes the likeliest token"));
  seed_ = number(0, 1000000, 0, tr("Seed of the sampling"));
  auto* holder = new QWidget;
  auto* form = new QFormLayout(holder);
  form->addRow(tr("&New tokens"), new_tokens_);
  form->addRow(tr("&Temperature"), temperature_);
  form->addRow(tr("&Seed"), seed_);
  for (QSpinBox* box : {new_tokens_, seed_})
    connect(box, &QSpinBox::valueChanged, this, &PromptBar::show_generation_fields);
  connect(temperature_, &QDoubleSpinBox::valueChanged, this, &PromptBar::show_generation_fields);
  return holder;
}

void PromptBar::show_generation_fields() {
  generation_->setText(tr("%1 new tokens").arg(new_tokens_->value()));
  generation_->setToolTip(
      temperature_->value() > 0.0
          ? tr("Temperature %1, seed %2; click to change").arg(temperature_->value()).arg(seed_->value())
          : tr("Always the likeliest token; click to change"));
}

QToolButton* PromptBar::make_examples_button() {
  auto* button = new QToolButton;
  button->setText(tr("Examples"));
  button->setToolTip(tr("Prompts that make known kinds of heads work"));
  button->setPopupMode(QToolButton::InstantPopup);
  auto* menu = new QMenu(button);
  menu->setToolTipsVisible(true);
  for (const PromptExample& example : prompt_examples())
    menu->addAction(example.name, this, [this, text = example.text] { take_text(text); })->setToolTip(example.what);
  button->setMenu(menu);
  return button;
}

PromptRequest PromptBar::request() const {
  return {edit_->text().toStdString(), chat_->isChecked() && chat_->isEnabled(), bos_->isChecked()};
}

void PromptBar::take() {
  if (workspace_.model()) workspace_.set_prompt(request());
}

void PromptBar::take_text(const QString& text) {
  edit_->set_text(text);
  take();
}

void PromptBar::focus_text() { edit_->setFocus(Qt::OtherFocusReason); }

// ---- Generation

void PromptBar::generate() {
  const PromptState& prompt = workspace_.prompt();
  if (!workspace_.live()) return;
  GenerateRequest wanted;
  wanted.tokens = prompt.ids();
  wanted.tokens.resize(prompt.n_prompt()); // from the prompt's end, not from the step that views show
  wanted.new_tokens = new_tokens_->value();
  wanted.temperature = temperature_->value();
  wanted.seed = static_cast<std::uint64_t>(seed_->value());
  generated_.clear();
  job_ = workspace_.engine().post<Continuation>(JobSpec::lengthy(QStringLiteral("generate"), tr("Generating")), this,
                                                [wanted](EngineState& state, const JobContext<Continuation>& job) {
                                                  return generate_text(state, wanted, job.control, job.partial);
                                                },
                                                {[this](Result<Continuation> text) {
                                                   job_ = 0;
                                                   if (!text.ok()) {
                                                     workspace_.report(tr("Nothing was generated"), text.error());
                                                     return show_steps();
                                                   }
                                                   show_generation(*text, true);
                                                 },
                                                 [this](const Continuation& text) { show_generation(text, false); }});
  show_steps();
}

void PromptBar::stop() { workspace_.engine().cancel(job_); }

// While tokens arrive, only the strip shows them; the views follow at the end.
void PromptBar::show_generation(const Continuation& continuation, bool last) {
  generated_ = continuation.tokens;
  if (last) return step_to(generated_count());
  show_tokens();
  strip_->scroll_to(static_cast<int>(strip_->count()) - 1);
}

int PromptBar::generated_shown() const {
  return static_cast<int>(workspace_.prompt().tokens().size() - workspace_.prompt().n_prompt());
}

void PromptBar::step_to(int generated) {
  generated = std::clamp(generated, 0, generated_count());
  const Selection& selection = workspace_.selection();
  const int last = static_cast<int>(workspace_.prompt().n_prompt()) + generated;
  // Removes a pin after the end, which would point at nothing.
  if ((selection.query() && *selection.query() >= last) || (selection.key() && *selection.key() >= last))
    workspace_.selection().set_tokens(std::nullopt, std::nullopt);
  stepping_ = true;
  workspace_.prompt().set_generated({generated_.begin(), generated_.begin() + generated});
  stepping_ = false;
  show_tokens();
  show_steps();
  strip_->scroll_to(last - 1);
}

void PromptBar::pin(int token, Qt::KeyboardModifiers modifiers) {
  Selection& selection = workspace_.selection();
  if (token >= static_cast<int>(workspace_.prompt().tokens().size())) return; // generated, but stepped back from
  const bool key = modifiers.testFlag(Qt::ShiftModifier);
  const auto before = key ? selection.key() : selection.query();
  const std::optional<int> now = before == token ? std::nullopt : std::optional<int>(token);
  if (key)
    selection.set_tokens(selection.query(), now);
  else
    selection.set_tokens(now, selection.key());
}

void PromptBar::show_token_menu(int token, const QPoint& place) {
  const Selection& selection = workspace_.selection();
  const TokenInfo& info = strip_->token(token);
  auto* menu = new QMenu(this);
  menu->setObjectName(QStringLiteral("token-menu"));
  menu->setAttribute(Qt::WA_DeleteOnClose);
  menu->addAction(selection.query() == token ? tr("Unpin as the query") : tr("Pin as the query"), this,
                  [this, token] { pin(token, Qt::NoModifier); });
  menu->addAction(selection.key() == token ? tr("Unpin as the key") : tr("Pin as the key"), this,
                  [this, token] { pin(token, Qt::ShiftModifier); });
  menu->addSeparator();
  menu->addAction(tr("Copy the token"), this,
                  [text = info.text] { QGuiApplication::clipboard()->setText(QString::fromStdString(text)); });
  menu->addAction(tr("Copy its id"), this,
                  [id = info.id] { QGuiApplication::clipboard()->setText(QString::number(id)); });
  menu->addSeparator();
  menu->addAction(tr("Patch the residual stream here"), this, [this, token] {
    workspace_.selection().set_tokens(token, workspace_.selection().key());
    const HeadId at = workspace_.selection().head().value_or(HeadId{});
    workspace_.want_patch({"resid_pre", PatchAxes::layer_position, at.layer, std::nullopt});
  });
  menu->popup(place);
}

// ---- What others change

void PromptBar::take_up_prompt() {
  if (stepping_) return;
  const PromptState& prompt = workspace_.prompt();
  workspace_.engine().drop_lane(QStringLiteral("generate"));
  job_ = 0;
  generated_.assign(prompt.tokens().begin() + static_cast<std::ptrdiff_t>(prompt.n_prompt()), prompt.tokens().end());
  const QString text = QString::fromStdString(prompt.request().text);
  const QSignalBlocker chat(chat_), bos(bos_), stored(stored_);
  if (edit_->text() != text) edit_->set_text(text);
  if (prompt.stored_id().empty()) {
    chat_->setChecked(prompt.request().chat);
    bos_->setChecked(prompt.request().add_special);
  }
  stored_->setCurrentIndex(std::max(0, stored_->findData(QString::fromStdString(prompt.stored_id()))));
  n_tokens_ = static_cast<std::int64_t>(prompt.tokens().size());
  show_count();
  show_tokens();
  show_steps();
}

void PromptBar::take_up_model() {
  const auto& model = workspace_.model();
  take_->setEnabled(model.has_value());
  chat_->setEnabled(model && model->has_chat_template);
  bos_->setEnabled(model.has_value());
  count_soon();
  show_count();
  show_steps();
}

void PromptBar::take_up_result() {
  const QSignalBlocker blocker(stored_);
  stored_->clear();
  stored_->addItem(tr("Stored prompts"));
  if (workspace_.result())
    for (const StoredPrompt& prompt : workspace_.result()->prompts) {
      const QString id = QString::fromStdString(prompt.id);
      stored_->addItem(id, id);
      stored_->setItemData(stored_->count() - 1, QString::fromStdString(prompt.text).left(300), Qt::ToolTipRole);
    }
  stored_->setVisible(stored_->count() > 1);
  const QString shown = QString::fromStdString(workspace_.prompt().stored_id());
  stored_->setCurrentIndex(shown.isEmpty() ? 0 : std::max(0, stored_->findData(shown)));
}

// ---- The count

void PromptBar::count_soon() {
  if (workspace_.model()) count_timer_.start();
}

void PromptBar::count() {
  if (!workspace_.model()) return;
  workspace_.engine().post<std::int64_t>(
      {QStringLiteral("count"), {}}, this,
      [wanted = request()](EngineState& state, const JobContext<std::int64_t>&) { return count_tokens(state, wanted); },
      {[this](Result<std::int64_t> tokens) {
        if (tokens.ok()) n_tokens_ = *tokens;
        show_count();
      }});
}

void PromptBar::show_count() {
  const QLocale locale;
  const std::int64_t context = workspace_.model() ? workspace_.model()->n_ctx : 0;
  count_->setText(context > 0
                      ? tr("%1 of %2 tokens").arg(locale.toString(qint64{n_tokens_}), locale.toString(qint64{context}))
                      : tr("%n token(s)", nullptr, static_cast<int>(n_tokens_)));
  QPalette colors = palette();
  if (context > 0 && n_tokens_ > context) colors.setColor(QPalette::WindowText, inks().warning);
  count_->setPalette(colors);
}

// ---- Tokens and steps

void PromptBar::show_tokens() {
  const PromptState& prompt = workspace_.prompt();
  std::vector<TokenInfo> all(prompt.tokens().begin(),
                             prompt.tokens().begin() + static_cast<std::ptrdiff_t>(prompt.n_prompt()));
  all.insert(all.end(), generated_.begin(), generated_.end());
  strip_->set_tokens(std::move(all), prompt.n_prompt(),
                     job_ ? prompt.n_prompt() + generated_.size() : prompt.tokens().size());
  strip_->set_pins(workspace_.selection().query(), workspace_.selection().key());
}

void PromptBar::show_steps() {
  generate_->setText(job_ ? tr("Stop") : tr("Generate"));
  generate_->setEnabled(workspace_.live());
  const int shown = generated_shown();
  back_->setEnabled(!job_ && shown > 0);
  forward_->setEnabled(!job_ && shown < generated_count());
  step_->setText(QStringLiteral("%1/%2").arg(shown).arg(generated_count()));
  step_->setToolTip(tr("Generated tokens that the views show, of those there are"));
}

} // namespace headscope::gui
