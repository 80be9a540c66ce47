// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/methods/methods_view.h"

#include <algorithm>

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QShortcut>
#include <QSplitter>
#include <QStackedWidget>
#include <QVBoxLayout>

#include "app/gui/models/progress_text.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/style/duration_text.h"
#include "app/gui/style/elided_label.h"
#include "app/gui/views/methods/form_panel.h"
#include "app/gui/views/methods/method_result.h"
#include "app/gui/views/view_list.h"
#include "app/methods/methods.h"

namespace headscope::gui {

MethodsView::MethodsView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("methods"), tr("Methods"), parent), splitter_(new QSplitter(Qt::Vertical)),
      result_(new MethodResult) {
  splitter_->addWidget(make_left());
  splitter_->addWidget(result_);
  splitter_->setChildrenCollapsible(false);
  splitter_->setSizes({360, 300});
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 4, 4, 4);
  column->addWidget(splitter_, 1);
  column->addWidget(make_command());
  fill_list();
  connect(list_, &QComboBox::currentIndexChanged, this, &MethodsView::show_page);
  connect(result_, &MethodResult::open_wanted, &workspace, &Workspace::open_result);
  connect(&workspace, &Workspace::model_changed, this, [this] {
    look_for_journal();
    show_state();
  });
  connect(&workspace.prompt(), &PromptState::changed, this, &MethodsView::offer_prompt);
  connect(&workspace.attention(), &AttentionState::changed, this, &MethodsView::show_state);
  connect(&workspace.engine(), &JobQueue::changed, this, &MethodsView::show_progress);
  auto* run_keys = new QShortcut(QKeySequence(Qt::CTRL | Qt::Key_Return), this, this, &MethodsView::run,
                                 Qt::WidgetWithChildrenShortcut);
  run_keys->setWhatsThis(tr("runs the method"));
  show_page();
}

// ---- What is on the screen

QWidget* MethodsView::make_left() {
  list_ = new QComboBox;
  list_->setAccessibleName(tr("Method"));
  list_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  list_->setMinimumContentsLength(16);
  about_ = new QLabel;
  about_->setWordWrap(true);
  about_->setForegroundRole(QPalette::PlaceholderText);
  stack_ = new QStackedWidget;
  auto* label = new QLabel(tr("Method"));
  label->setBuddy(list_);
  auto* choice = new QHBoxLayout;
  choice->addWidget(label);
  choice->addWidget(list_, 1);
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 0, 4, 0);
  column->addLayout(choice);
  column->addWidget(about_);
  column->addWidget(stack_, 1);
  column->addWidget(make_buttons());
  return box;
}

QWidget* MethodsView::make_buttons() {
  run_ = new QPushButton(tr("Run"));
  count_ = new QPushButton(tr("Estimate"));
  cancel_ = new QPushButton(tr("Cancel"));
  reset_ = new QPushButton(tr("Defaults"));
  reset_->setToolTip(tr("Set every field of this method to its default"));
  progress_ = new ElidedLabel;
  progress_->setAccessibleName(tr("Progress of the method"));
  estimate_ = new QLabel;
  estimate_->setWordWrap(true);
  estimate_->setAccessibleName(tr("Estimate"));
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 0, 0, 0);
  auto* row = new QHBoxLayout;
  for (QPushButton* button : {run_, count_, cancel_, reset_})
    row->addWidget(button);
  column->addLayout(row);
  column->addWidget(estimate_);
  column->addWidget(progress_);
  connect(run_, &QPushButton::clicked, this, &MethodsView::run);
  connect(count_, &QPushButton::clicked, this, &MethodsView::estimate_cost);
  connect(cancel_, &QPushButton::clicked, this, &MethodsView::cancel);
  connect(reset_, &QPushButton::clicked, this, &MethodsView::reset);
  return box;
}

QWidget* MethodsView::make_command() {
  command_ = new QLineEdit;
  command_->setReadOnly(true);
  command_->setAccessibleName(tr("Command that does the same"));
  command_->setToolTip(tr("The same on a command line"));
  auto* label = new QLabel(tr("Command"));
  label->setBuddy(command_);
  auto* copy = new QPushButton(tr("Copy"));
  copy->setAccessibleName(tr("Copy the command"));
  auto* box = new QWidget;
  auto* row = new QHBoxLayout(box);
  row->setContentsMargins(0, 0, 0, 0);
  row->addWidget(label);
  row->addWidget(command_, 1);
  row->addWidget(copy);
  connect(copy, &QPushButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(command()); });
  return box;
}

// Puts form and result side by side where there is room, otherwise the result below the form.
void MethodsView::resizeEvent(QResizeEvent* event) {
  View::resizeEvent(event);
  constexpr int letters_beside = 110;
  splitter_->setOrientation(width() < letters_beside * fontMetrics().averageCharWidth() ? Qt::Vertical
                                                                                        : Qt::Horizontal);
}

// ---- Methods and their forms

void MethodsView::fill_list() {
  for (const auto& method : methods::all_methods()) {
    const methods::MethodInfo& info = method->info();
    const QString id = QString::fromUtf8(info.id), summary = QString::fromUtf8(info.summary);
    list_->addItem(tr("%1: %2").arg(id, summary), id);
    list_->setItemData(list_->count() - 1, QString::fromUtf8(info.example), Qt::ToolTipRole);
  }
}

void MethodsView::choose(const std::string& id) { list_->setCurrentIndex(list_->findData(QString::fromStdString(id))); }

MethodsView::Page& MethodsView::page() { return pages_.at(chosen_); }
const MethodsView::Page& MethodsView::page() const { return pages_.at(chosen_); }

MethodsView::Page& MethodsView::make_page(const std::string& id) {
  Page& made = pages_[id];
  made.form = std::make_unique<MethodForm>(std::move(*methods::make_method(id))); // of the list of all
  made.panel = new FormPanel(*made.form);
  made.panel->offer_prompt(workspace().prompt().request());
  connect(made.panel, &FormPanel::edited, this, [this, id] { take_edit(id); });
  auto* scroll = new QScrollArea;
  scroll->setWidget(made.panel);
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setFocusPolicy(Qt::NoFocus);
  stack_->addWidget(scroll);
  made.panel->set_tab_order(*list_);
  return made;
}

void MethodsView::show_page() {
  chosen_ = list_->currentData().toString().toStdString();
  Page& shown = pages_.count(chosen_) ? page() : make_page(chosen_);
  for (int i = 0; i < stack_->count(); ++i)
    if (stack_->widget(i)->isAncestorOf(shown.panel)) stack_->setCurrentIndex(i);
  about_->setText(QString::fromUtf8(shown.form->info().summary));
  about_->setToolTip(QString::fromUtf8(shown.form->info().example));
  result_->show_answer(shown.answer);
  look_for_journal();
  show_state();
}

void MethodsView::take_edit(const std::string& id) {
  pages_.at(id).estimate.clear();
  if (id != chosen_) return;
  look_for_journal();
  show_state();
}

// The file thread reads the journal, which may be large and on a slow disk.
void MethodsView::look_for_journal() {
  const QString lane = QStringLiteral("journal");
  workspace().files().drop_lane(lane);
  page().unfinished.reset();
  const MethodRequest request = page().form->request(command_model(workspace()));
  if (!request.resumable || request.out.empty() || !workspace().model()) return;
  using Found = std::optional<methods::Unfinished>;
  workspace().files().post<Found>(
      {lane, tr("Looking for an unfinished run")}, this,
      [request, sha256 = workspace().model()->sha256](FileState&, const JobContext<Found>&) -> Result<Found> {
        return unfinished(request, sha256);
      },
      {[this, id = request.id](Result<Found> found) {
        pages_.at(id).unfinished = found.ok() ? *found : std::nullopt;
        if (id == chosen_) show_state();
      }});
}

void MethodsView::reset() { page().panel->reset(); }

void MethodsView::offer_prompt() {
  for (auto& [id, each] : pages_)
    each.panel->offer_prompt(workspace().prompt().request());
}

QString MethodsView::command() const {
  return QString::fromStdString(page().form->command(command_model(workspace())));
}
QString MethodsView::estimate() const { return estimate_->text(); }

QString MethodsView::why_not() const {
  if (running()) return tr("Wait until what runs has ended, or cancel it");
  const methods::MethodInfo& info = page().form->info();
  if (info.needs_model && !info.model_may_be_missing && !workspace().model()) return tr("Open a model first");
  return {};
}

QString MethodsView::run_tip() const {
  if (!resumes()) return tr("Ctrl+Enter");
  return tr("%1 of %2 cells are finished; goes on from them (Ctrl+Enter)")
      .arg(page().unfinished->finished)
      .arg(page().unfinished->cells);
}

QString MethodsView::stale_text() const {
  const std::optional<MethodAnswer>& answer = page().answer;
  if (!answer) return {};
  const auto& model = workspace().model();
  const AnsweredModel now =
      model ? AnsweredModel{model->sha256, model->dtype, model->device, answer->model.plan} : AnsweredModel{};
  if (!answer->model.sha256.empty() && answer->model != now) return tr("This is the result of another model.");
  const bool own_plans = page().form->field("attention"); // whatever is in force
  if (!answer->model.sha256.empty() && !own_plans && answer->model.plan != workspace().attention().plan())
    return tr("This is the result under another attention plan.");
  if (answer->request.values != page().form->request({}).values)
    return tr("This is the result of other values than those in the form.");
  return {};
}

void MethodsView::show_state() {
  const QString reason = why_not();
  // Moves the focus to the button that replaces this one, since a disabled button would pass it to an arbitrary widget.
  if (running()) cancel_->setEnabled(true);
  if (running() && run_->hasFocus()) cancel_->setFocus();
  run_->setEnabled(reason.isEmpty());
  run_->setText(resumes() ? tr("Resume") : tr("Run"));
  run_->setToolTip(!reason.isEmpty() ? reason : run_tip());
  if (!running() && cancel_->hasFocus()) run_->setFocus();
  const bool counts = page().form->has_cells();
  count_->setEnabled(reason.isEmpty() && counts && workspace().model());
  count_->setToolTip(!counts                ? tr("This method cannot say beforehand what it costs")
                     : !workspace().model() ? tr("Open a model first")
                                            : tr("Count the forward passes, and time one"));
  cancel_->setEnabled(running());
  command_->setText(command());
  command_->setCursorPosition(0);
  estimate_->setText(page().estimate);
  estimate_->setVisible(!page().estimate.isEmpty());
  result_->show_stale(stale_text());
  show_progress();
}

void MethodsView::show_progress() {
  QString text;
  bool known = false;
  for (const JobStatus& job : workspace().engine().jobs()) {
    if (job.id != job_) continue;
    known = true;
    text = progress_text(job);
  }
  progress_->setText(text);
  if (known || !running()) return;
  job_ = 0; // a job that was cancelled while it waited has no answer
  show_state();
}

// ---- Running

namespace {

// A bench would time the jobs that it stands still for.
JobSpec spec_of(const std::string& id) {
  JobSpec spec =
      JobSpec::lengthy(QStringLiteral("method"), MethodsView::tr("Running %1").arg(QString::fromStdString(id)));
  if (id.compare(0, 5, "bench") == 0) spec.give_way = GiveWay::never;
  return spec;
}

} // namespace

void MethodsView::run() {
  if (!why_not().isEmpty() || !page().panel->check()) return;
  const MethodRequest request = page().form->request(command_model(workspace()));
  job_ = workspace().engine().post<MethodAnswer>(spec_of(request.id), this,
                                                 [request](EngineState& state, const JobContext<MethodAnswer>& job) {
                                                   return run_method(state, request, job.control);
                                                 },
                                                 {[this, request](Result<MethodAnswer> answer) {
                                                   MethodAnswer failed;
                                                   failed.request = request;
                                                   if (!answer.ok()) failed.error = answer.error();
                                                   take_answer(answer.ok() ? std::move(*answer) : std::move(failed));
                                                 }});
  show_state();
}

void MethodsView::take_answer(MethodAnswer answer) {
  job_ = 0;
  Page& asked = pages_.at(answer.request.id);
  asked.answer = std::move(answer);
  const std::optional<Error>& error = asked.answer->error;
  if (&asked == &page()) look_for_journal();
  if (&asked == &page()) result_->show_answer(asked.answer);
  show_state();
  if (error && !say_at_field(asked, *error))
    workspace().report(tr("%1 did not run").arg(QString::fromStdString(asked.answer->request.id)), *error);
}

// Shows an error at its field. Returns false when it is about no field, or about one that is not shown. Keeps the focus
// where the user is in another view by now.
bool MethodsView::say_at_field(const Page& asked, const Error& error) {
  const QWidget* focus = QApplication::focusWidget();
  return &asked == &page() && asked.panel->show_error(error, !focus || isAncestorOf(focus));
}

void MethodsView::estimate_cost() {
  if (!count_->isEnabled() || !page().panel->check()) return;
  const MethodRequest request = page().form->request(command_model(workspace()));
  job_ = workspace().engine().post<MethodEstimate>(
      {QStringLiteral("method"), tr("Estimating %1").arg(QString::fromStdString(request.id))}, this,
      [request](EngineState& state, const JobContext<MethodEstimate>& job) {
        return estimate_method(state, request, job.control);
      },
      {[this, id = request.id](Result<MethodEstimate> estimate) { take_estimate(id, estimate); }});
  show_state();
}

void MethodsView::take_estimate(const std::string& id, const Result<MethodEstimate>& estimate) {
  job_ = 0;
  Page& asked = pages_.at(id);
  asked.estimate.clear();
  if (estimate.ok())
    asked.estimate = tr("About %1 forward passes in %2 cells: %3")
                         .arg(estimate->forwards, 0, 'f', 0)
                         .arg(estimate->cells)
                         .arg(duration_text(std::max(estimate->seconds, 1.0)));
  else if (!say_at_field(asked, estimate.error()))
    workspace().report(tr("There is no estimate of %1").arg(QString::fromStdString(id)), estimate.error());
  show_state();
}

void MethodsView::cancel() {
  if (!running()) return;
  workspace().engine().cancel(job_);
}

View* make_methods_view(Workspace& workspace, QWidget* parent) { return new MethodsView(workspace, parent); }

} // namespace headscope::gui
