// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/grid/sweep_bar.h"

#include <QAction>
#include <QActionGroup>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QMenu>
#include <QToolButton>
#include <QWidgetAction>

#include "app/gui/files/kept_files.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/models/method_scores.h"
#include "app/gui/models/progress_text.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/style/elided_label.h"
#include "app/gui/views/answers/answer_fields.h"
#include "core/prompts/tasks/task.h"
#include "core/vocabulary/ablation.h"
#include "core/vocabulary/metric.h"

namespace headscope::gui {
namespace {

constexpr int title_length = 32; // characters of a prompt in a score's name
const QString kept_kind = QStringLiteral("sweep");

template <typename E> std::vector<std::pair<std::string, QString>> names_and_help() {
  std::vector<std::pair<std::string, QString>> names;
  for (const Named<E>& each : names_of<E>())
    names.emplace_back(each.name, QString::fromUtf8(each.what));
  return names;
}

} // namespace

SweepBar::SweepBar(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), run_(new QToolButton), cancel_(new QToolButton),
      progress_(new ElidedLabel), menu_(new QMenu(this)) {
  settings_.metric = to_string(MetricKind::logit_diff);
  settings_.method = to_string(AblationMethod::zero);
  run_->setPopupMode(QToolButton::MenuButtonPopup);
  run_->setMenu(menu_);
  cancel_->setText(tr("Cancel"));
  cancel_->setToolTip(tr("What is measured until then stays"));
  progress_->setAccessibleName(tr("Progress of the sweep"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->addWidget(run_);
  row->addWidget(progress_, 1);
  row->addWidget(cancel_);
  make_menu();
  connect(run_, &QToolButton::clicked, this, &SweepBar::sweep);
  connect(cancel_, &QToolButton::clicked, this, &SweepBar::cancel);
  connect(&workspace.prompt(), &PromptState::changed, this, &SweepBar::show_state);
  connect(&workspace.attention(), &AttentionState::changed, this, &SweepBar::show_state);
  connect(&workspace, &Workspace::model_changed, this, &SweepBar::restore);
  connect(&workspace, &Workspace::model_changed, this, [this] {
    said_.clear();
    show_state();
  });
  connect(&workspace.engine(), &JobQueue::changed, this, &SweepBar::show_progress);
  show_state();
}

// ---- The menu

void SweepBar::make_menu() {
  resume_ = menu_->addAction(tr("Start over"), this, &SweepBar::start_over);
  resume_->setToolTip(tr("Measure all heads again, also those that an interrupted sweep has measured"));
  menu_->addMenu(make_choices(tr("Metric"), names_and_help<MetricKind>(), &Settings::metric));
  menu_->addMenu(make_choices(tr("A head gives instead"), names_and_help<AblationMethod>(), &Settings::method));
  make_references(*menu_);
  make_sources(*menu_);
  make_answers(*menu_);
  menu_->addSeparator();
  attribute_ = menu_->addAction(tr("Direct logit attribution of the prompt"), this, &SweepBar::attribute);
  menu_->setToolTipsVisible(true);
  connect(menu_, &QMenu::aboutToShow, this, &SweepBar::show_state);
}

QMenu* SweepBar::make_choices(const QString& title, const std::vector<std::pair<std::string, QString>>& names,
                              std::string Settings::*chosen) {
  auto* menu = new QMenu(title, this);
  menu->setToolTipsVisible(true);
  auto* group = new QActionGroup(menu);
  for (const auto& [name, help] : names) {
    QAction* action = menu->addAction(QString::fromStdString(name), this, [this, chosen, each = name] {
      settings_.*chosen = each;
      show_state();
    });
    action->setToolTip(help);
    action->setCheckable(true);
    action->setData(QString::fromStdString(name));
    group->addAction(action);
  }
  connect(menu, &QMenu::aboutToShow, this, [this, group, chosen] {
    for (QAction* action : group->actions())
      action->setChecked(action->data().toString().toStdString() == settings_.*chosen);
  });
  return menu;
}

void SweepBar::make_references(QMenu& menu) {
  auto* references = menu.addMenu(tr("Mean and resample take activations from"));
  references->setToolTipsVisible(true);
  auto* group = new QActionGroup(references);
  const auto add = [&](const QString& title, const QString& help, Reference reference) {
    QAction* action = references->addAction(title, this, [this, reference] {
      Settings next = settings_;
      next.reference = reference;
      if (reference == Reference::file) {
        const QString file =
            QFileDialog::getOpenFileName(this, tr("Reference texts"), {}, tr("Texts (*.txt *.csv *.jsonl *.json)"));
        if (file.isEmpty()) return show_state();
        next.reference_file = file.toStdString();
      }
      set_settings(std::move(next));
    });
    action->setToolTip(help);
    action->setCheckable(true);
    group->addAction(action);
    connect(references, &QMenu::aboutToShow, action,
            [this, action, reference] { action->setChecked(settings_.reference == reference); });
  };
  add(tr("The prompts themselves"), tr("Of a single prompt that leaves little to take"), Reference::prompts);
  add(tr("The reference texts of the view Ablation"), tr("One text a line, written there"), Reference::texts);
  add(tr("A file…"), tr(".txt with a text a line, .csv, .jsonl or .json"), Reference::file);
  connect(&menu, &QMenu::aboutToShow, references, [this, references] {
    const bool takes =
        settings_.method == to_string(AblationMethod::mean) || settings_.method == to_string(AblationMethod::resample);
    references->menuAction()->setEnabled(takes);
  });
}

void SweepBar::make_sources(QMenu& menu) {
  auto* sources = menu.addMenu(tr("Prompts"));
  sources->setToolTipsVisible(true);
  auto* group = new QActionGroup(sources);
  const auto add = [&](const QString& title, const QString& help, Source source, const std::string& from) {
    QAction* action = sources->addAction(title, this, [this, source, from] {
      Settings next = settings_;
      next.source = source;
      next.from = from;
      if (source == Source::file) {
        const QString file = QFileDialog::getOpenFileName(this, tr("Prompts with their answers"), {},
                                                          tr("Prompts (*.csv *.jsonl *.json *.txt)"));
        if (file.isEmpty()) return show_state();
        next.from = file.toStdString();
      }
      set_settings(std::move(next));
    });
    action->setToolTip(help);
    action->setCheckable(true);
    group->addAction(action);
    connect(sources, &QMenu::aboutToShow, action, [this, action, source, from] {
      action->setChecked(settings_.source == source && (source != Source::task || settings_.from == from));
    });
  };
  add(tr("The prompt"), tr("That of the prompt bar"), Source::prompt, {});
  sources->addSeparator();
  for (const TaskKind& task : task_kinds())
    add(QString::fromUtf8(task.name.data(), static_cast<qsizetype>(task.name.size())),
        tr("20 generated prompts: %1")
            .arg(QString::fromUtf8(task.title.data(), static_cast<qsizetype>(task.title.size()))),
        Source::task, std::string(task.name));
  sources->addSeparator();
  add(tr("A file…"), tr("Prompts with their answers: .csv, .jsonl, .json, or .txt with a prompt a line"), Source::file,
      {});
}

void SweepBar::make_answers(QMenu& menu) {
  auto* answers = menu.addMenu(tr("Answers of the prompt"));
  auto* box = new QWidget;
  auto* rows = new QFormLayout(box);
  answer_ = new QLineEdit;
  wrong_ = new QLineEdit;
  for (const auto& [edit, name] : {std::pair(answer_, tr("&Answer")), {wrong_, tr("&Wrong")}}) {
    edit->setPlaceholderText(tr("the likeliest"));
    edit->setToolTip(tr("One token, with its leading space; empty: the clean run's likeliest"));
    rows->addRow(name, edit);
  }
  share_answers(workspace_.answers(), *answer_, *wrong_);
  connect(&workspace_.answers(), &AnswerState::changed, this, &SweepBar::show_state);
  auto* action = new QWidgetAction(answers);
  action->setDefaultWidget(box);
  answers->addAction(action);
}

void SweepBar::set_settings(Settings settings) {
  settings_ = std::move(settings);
  show_state();
}

// ---- What is asked

SweepRequest SweepBar::request() const {
  SweepRequest request;
  request.model = command_model(workspace_);
  std::map<std::string, std::string> values;
  if (settings_.source == Source::prompt) {
    values = prompt_values(workspace_.prompt());
    request.tokens = workspace_.prompt().ids();
    const AnswerState::Pair& answers = workspace_.answers().pair();
    if (!answers.answer.empty()) values["answer"] = answers.answer;
    if (!answers.wrong.empty()) values["wrong"] = answers.wrong;
  } else {
    values[settings_.source == Source::task ? "task" : "prompts_file"] = settings_.from;
  }
  values["metric"] = settings_.metric;
  values["method"] = settings_.method;
  if (settings_.reference == Reference::texts) {
    std::string& lines = values["reference"]; // one a line
    for (const std::string& text : workspace_.ablation().reference())
      lines.append(lines.empty() ? "" : "\n").append(text);
  }
  if (settings_.reference == Reference::file) values["reference_file"] = settings_.reference_file;
  if (auto filled = filled_request("ablate", values, request.model); filled.ok()) request.method = std::move(*filled);
  return request;
}

QString SweepBar::prompts_title() const {
  if (settings_.source == Source::prompt) return prompt_title(workspace_.prompt(), title_length);
  const QString from = QString::fromStdString(settings_.from);
  return settings_.source == Source::task ? from : QFileInfo(from).fileName();
}

QString SweepBar::why_not() const {
  if (!workspace_.model()) return tr("Open a model first");
  if (running()) return tr("A sweep is running");
  if (settings_.source != Source::prompt) return {};
  if (workspace_.prompt().tokens().empty()) return tr("Type a prompt first");
  if (!workspace_.live()) return tr("The prompt is of a result of another model; use it as the prompt (Ctrl+Enter)");
  return {};
}

bool SweepBar::resumes() const { return !unfinished_.empty() && unfinished_.contains(sweep_id(request())); }

// ---- Running

// Says why, where it cannot.
bool SweepBar::can_start() {
  const QString reason = why_not();
  if (!reason.isEmpty() && !running()) said_ = reason;
  show_progress();
  return reason.isEmpty();
}

void SweepBar::sweep() {
  if (!can_start()) return;
  SweepRequest next = request();
  const auto begun = unfinished_.find(sweep_id(next));
  if (begun != unfinished_.end()) next.begun = begun->second;
  post(std::move(next));
}

void SweepBar::start_over() {
  if (!can_start()) return;
  post(request());
}

void SweepBar::post(SweepRequest request) {
  const std::string id = sweep_id(request);
  const QString prompts = prompts_title();
  const Origin origin = request.tokens.empty() ? workspace_.origin({false}) : workspace_.origin({true, false, true});
  said_.clear();
  Q_EMIT score_wanted(QString::fromStdString(id));
  job_ = workspace_.engine().post<HeadSweep>(
      JobSpec::lengthy(QStringLiteral("sweep"), tr("Sweeping heads")), this,
      [request = std::move(request)](EngineState& state, const JobContext<HeadSweep>& job) {
        return sweep_heads(state, request, job.control, job.partial);
      },
      {[this, id, prompts, origin](Result<HeadSweep> sweep) {
         job_ = 0;
         if (sweep.ok()) {
           say(*sweep);
           keep(*sweep, id, prompts, origin);
           take(std::move(*sweep), id, prompts, origin);
         } else {
           workspace_.report(tr("The heads were not swept"), sweep.error());
         }
         show_state();
       },
       [this, id, prompts, origin](HeadSweep sweep) {
         keep(sweep, id, prompts, origin);
         take(std::move(sweep), id, prompts, origin);
       }});
  show_state();
}

// With the session, also while it is measured: what is interrupted by a kill is gone on from.
void SweepBar::keep(const HeadSweep& sweep, const std::string& id, const QString& prompts, const Origin& origin) {
  const auto& model = workspace_.model();
  if (!model || model->sha256 != sweep.model.sha256) return;
  workspace_.kept().put(
      {kept_kind, QString::fromStdString(id), prompts, {}, origin, more_of(sweep)},
      [sweep, of = model_attributes(*model)](const std::string& path) { return write_sweep(path, sweep, of); });
}

void SweepBar::restore() {
  if (!workspace_.model()) return;
  workspace_.kept().restore<HeadSweep>(
      kept_kind, workspace_.model()->sha256, this,
      [](FileState& state, const KeptEntry& entry) { return read_sweep(state, entry.file.toStdString(), entry.more); },
      [this](const KeptEntry& entry, HeadSweep sweep) {
        if (workspace_.scores().find(entry.id.toStdString())) return; // it is there
        take(std::move(sweep), entry.id.toStdString(), entry.title, entry.origin);
        show_state();
      });
}

void SweepBar::take(HeadSweep sweep, const std::string& id, const QString& prompts, const Origin& origin) {
  const auto& model = workspace_.model();
  if (!model || model->sha256 != sweep.model.sha256) return; // another model was opened meanwhile
  HeadScores scores = sweep_scores(sweep, id, prompts);
  scores.origin = origin;
  workspace_.scores().put(std::move(scores));
  if (sweep.complete)
    unfinished_.erase(id);
  else
    unfinished_[id] = std::make_shared<const HeadSweep>(std::move(sweep));
}

void SweepBar::say(const HeadSweep& sweep) {
  QStringList lines;
  if (!sweep.complete) lines.append(tr("Interrupted: the button goes on"));
  for (const auto* texts : {&sweep.warnings, &sweep.notes})
    for (const std::string& text : *texts)
      lines.append(QString::fromStdString(text));
  said_ = lines.join(QStringLiteral(" · "));
}

void SweepBar::attribute() {
  if (!attribute_->isEnabled()) return;
  AttributionRequest request{workspace_.prompt().ids(), workspace_.answers().pair().answer,
                             workspace_.answers().pair().wrong};
  const QString prompt = prompt_title(workspace_.prompt(), title_length);
  workspace_.engine().post<AttributionMap>(
      {QStringLiteral("grid-attribution"), tr("Attributing logits to heads")}, this,
      [request](EngineState& state, const JobContext<AttributionMap>& job) {
        return run_attribution(state, request, job.control);
      },
      {[this, prompt, values = prompt_values(workspace_.prompt()), model = workspace_.model(),
        said = command_model(workspace_), origin = workspace_.origin({true, false, true})](Result<AttributionMap> map) {
        if (!map.ok()) return workspace_.report(tr("Logits were not attributed"), map.error());
        const auto& now = workspace_.model();
        if (!now || now->sha256 != model->sha256) return;
        HeadScores scores = attribution_scores(*map, prompt);
        scores.origin = origin;
        scores.model_sha256 = model->sha256;
        scores.command = attribution_command(*map, values, said);
        const QString id = QString::fromStdString(scores.id);
        Q_EMIT score_wanted(id);
        workspace_.scores().put(std::move(scores));
      }});
}

void SweepBar::cancel() {
  if (running()) workspace_.engine().cancel(job_);
}

// ---- What is said

void SweepBar::show_state() {
  const QString reason = why_not();
  run_->setEnabled(!running() && workspace_.model());
  run_->setText(resumes() ? tr("Resume sweep") : tr("Sweep heads"));
  run_->setToolTip(!reason.isEmpty() ? reason
                                     : tr("Ablate every head on %1 and measure %2 (%3)")
                                           .arg(prompts_title(), QString::fromStdString(settings_.metric),
                                                QString::fromStdString(settings_.method)));
  resume_->setVisible(resumes());
  attribute_->setEnabled(workspace_.live());
  cancel_->setVisible(running());
  show_progress();
}

void SweepBar::show_progress() {
  QString text = running() ? QString() : said_;
  bool known = false;
  for (const JobStatus& job : workspace_.engine().jobs()) {
    if (job.id != job_) continue;
    known = true;
    text = short_progress_text(job);
  }
  progress_->setText(text);
  if (known || !running()) return;
  job_ = 0; // a job that was cancelled while it waited has no answer
  show_state();
}

} // namespace headscope::gui
