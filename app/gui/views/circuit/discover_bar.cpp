// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/discover_bar.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/models/prompt_values.h"
#include "app/gui/style/duration_text.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"
#include "app/methods/methods.h"
#include "core/prompts/tasks/task.h"

namespace headscope::gui {
namespace {

constexpr const char* method_id = "circuit";

QString progress_text(const JobStatus& job) {
  if (!job.running) return DiscoverBar::tr("Waiting for another job");
  QString text = job.stage.isEmpty() ? job.spec.title : job.stage;
  if (job.total > 0) text += DiscoverBar::tr(" · %1 of %2").arg(job.done).arg(job.total);
  if (job.seconds_left >= 1.0) text += DiscoverBar::tr(" · %1 left").arg(duration_text(job.seconds_left));
  return text;
}

} // namespace

DiscoverBar::DiscoverBar(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), form_(std::move(*methods::make_method(method_id))), // of the list of all
      pairs_(new QComboBox), run_(new QPushButton(tr("&Discover"))), cancel_(new QPushButton(tr("Cancel"))),
      file_(new QLineEdit), note_(new QLabel) {
  run_->setObjectName(QStringLiteral("discover"));
  note_->setWordWrap(true);
  note_->setForegroundRole(QPalette::PlaceholderText);
  pairs_->setAccessibleName(tr("Prompts"));
  pairs_->setToolTip(tr("What the circuit is of: the clean and the corrupt prompt of the patching view, or a task"));
  pairs_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  pairs_->setMinimumContentsLength(12);
  fill_pairs();
  make_rows();
  connect(run_, &QPushButton::clicked, this, &DiscoverBar::run);
  connect(cancel_, &QPushButton::clicked, this, &DiscoverBar::cancel);
  connect(pairs_, &QComboBox::currentIndexChanged, this, &DiscoverBar::show_state);
  connect(&workspace_, &Workspace::model_changed, this, &DiscoverBar::show_state);
  connect(&workspace_, &Workspace::pair_changed, this, &DiscoverBar::show_state);
  connect(&workspace_.engine(), &JobQueue::changed, this, &DiscoverBar::show_progress);
  show_state();
}

void DiscoverBar::make_rows() {
  auto* first = new QHBoxLayout;
  auto* second = new QHBoxLayout;
  first->addWidget(run_);
  first->addWidget(cancel_);
  add_field(*first, "method", {});
  first->addWidget(pairs_, 1);
  count_ = qobject_cast<QLineEdit*>(make_field("count"));
  first->addWidget(count_);
  add_field(*first, "metric", {});
  add_field(*second, "steps", tr("IG steps"));
  add_field(*second, "top_n", tr("Edges"));
  add_field(*second, "threshold", tr("ACDC thresholds"));
  second->addWidget(make_field("curve"));
  make_keep(*second);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(first);
  column->addLayout(second);
  column->addWidget(note_);
}

void DiscoverBar::add_field(QBoxLayout& row, const char* name, const QString& label) {
  QWidget* editor = make_field(name);
  if (!label.isEmpty()) {
    auto* text = new QLabel(label);
    text->setBuddy(editor);
    row.addWidget(text);
  }
  row.addWidget(editor);
}

// By the kind of the option, with the choices, the default and the help that it has in the method's list.
QWidget* DiscoverBar::make_field(const char* name) {
  const FormField& field = *form_.field(name);
  QWidget* editor = nullptr;
  if (field.kind == FieldKind::choice) {
    auto* box = new QComboBox;
    for (const methods::Choice& choice : field.choices) {
      box->addItem(QString::fromStdString(choice.name));
      box->setItemData(box->count() - 1, QString::fromStdString(choice.what), Qt::ToolTipRole);
    }
    box->setCurrentText(QString::fromStdString(field.standard));
    connect(box, &QComboBox::currentTextChanged, this,
            [this, name](const QString& text) { form_.set_text(name, text.toStdString()); });
    editor = box;
  } else if (field.kind == FieldKind::flag) {
    auto* box = new QCheckBox(QString::fromStdString(field.label));
    connect(box, &QCheckBox::toggled, this, [this, name](bool on) { form_.set_text(name, on ? "true" : "false"); });
    editor = box;
  } else {
    auto* line = new QLineEdit(QString::fromStdString(field.standard));
    follow_font(*line, [line] { line->setMaximumWidth(line->fontMetrics().averageCharWidth() * 12); });
    if (field.standard.empty()) line->setPlaceholderText(QString::fromStdString(field.label));
    connect(line, &QLineEdit::textChanged, this,
            [this, name](const QString& text) { form_.set_text(name, text.trimmed().toStdString()); });
    editor = line;
  }
  editor->setObjectName(QString::fromLatin1(name));
  editor->setAccessibleName(QString::fromStdString(field.label));
  editor->setToolTip(QString::fromStdString(field.tip));
  return editor;
}

void DiscoverBar::make_keep(QBoxLayout& row) {
  file_->setAccessibleName(tr("Result file"));
  file_->setPlaceholderText(tr("Keep as a result file (optional)"));
  file_->setClearButtonEnabled(true);
  auto* browse = new QToolButton;
  browse->setText(tr("…"));
  browse->setAccessibleName(tr("Choose the result file"));
  connect(browse, &QToolButton::clicked, this, [this] {
    QString path =
        QFileDialog::getSaveFileName(this, tr("Keep the circuit as"), file_->text(), tr("Result files (*.h5)"));
    if (path.isEmpty()) return;
    if (QFileInfo(path).suffix().isEmpty()) path += QStringLiteral(".h5");
    file_->setText(path);
    replaceable_ = path; // the dialog has asked
  });
  row.addWidget(file_, 1);
  row.addWidget(browse);
}

void DiscoverBar::fill_pairs() {
  pairs_->addItem(tr("The pair of the patching view"), QString());
  for (const TaskKind& task : task_kinds()) {
    const QString name = QString::fromUtf8(task.name.data(), static_cast<qsizetype>(task.name.size()));
    pairs_->addItem(tr("Task: %1").arg(name), name);
    pairs_->setItemData(pairs_->count() - 1,
                        QString::fromUtf8(task.title.data(), static_cast<qsizetype>(task.title.size())),
                        Qt::ToolTipRole);
  }
}

QString DiscoverBar::note() const { return note_->text(); }

void DiscoverBar::set_kept_file(const QString& path) { file_->setText(path); }

bool DiscoverBar::of_pair() const { return pairs_->currentData().toString().isEmpty(); }

QString DiscoverBar::why_not() const {
  if (!workspace_.model()) return tr("Open a model first");
  if (of_pair() && !workspace_.pair())
    return tr("Type a clean and a corrupt prompt in the patching view first, or choose a task");
  return {};
}

// ---- Running

MethodRequest DiscoverBar::request() const {
  MethodRequest request = form_.request(command_model(workspace_));
  request.out = file_->text().trimmed().toStdString();
  request.replace = !request.out.empty() && request.out == replaceable_.toStdString();
  return request;
}

void DiscoverBar::run() {
  if (running() || !why_not().isEmpty()) return;
  const bool of_pair = this->of_pair();
  const PatchPairInfo pair = of_pair ? *workspace_.pair() : PatchPairInfo();
  const PatchPrompts prompts = pair.prompts ? *pair.prompts : PatchPrompts();
  form_.set_text("task", pairs_->currentData().toString().toStdString());
  form_.set_text("count", of_pair ? form_.field("count")->standard : count_->text().trimmed().toStdString());
  form_.set_text("clean", prompts.clean);
  form_.set_text("corrupt", prompts.corrupt);
  form_.set_text("answer", pair.answer ? pair.answer->text : std::string());
  form_.set_text("wrong", pair.wrong ? pair.wrong->text : std::string());
  form_.set_text("no_bos", prompts.add_special ? "false" : "true");
  form_.set_text("out", file_->text().trimmed().toStdString());
  if (const auto problems = form_.problems(); !problems.empty()) {
    const auto& [name, problem] = problems.front();
    return note_->setText(
        tr("%1: %2").arg(QString::fromStdString(form_.field(name)->label), QString::fromStdString(problem)));
  }
  MethodRequest request = this->request();
  if (request.out.empty()) {
    request.out = workspace_.kept().new_file(QStringLiteral("circuit")).toStdString();
    request.replace = true;
  }
  job_ = workspace_.engine().post<MethodAnswer>(
      JobSpec::lengthy(QStringLiteral("discover"), tr("Finding a circuit")), this,
      [request](EngineState& state, const JobContext<MethodAnswer>& job) {
        return run_method(state, request, job.control);
      },
      {[this, request, made_of = workspace_.origin({false})](Result<MethodAnswer> answer) {
        MethodAnswer failed;
        failed.request = request;
        if (!answer.ok()) failed.error = answer.error();
        take_answer(answer.ok() ? *answer : failed, made_of);
      }});
  show_state();
}

QString DiscoverBar::title_of(const MethodRequest& request) const {
  const auto value = [&](const char* name) {
    const auto found = request.values.find(name);
    return QString::fromStdString(found == request.values.end() ? form_.field(name)->standard : found->second);
  };
  const QString task = value("task");
  return tr("Found: %1, %2").arg(value("method"), task.isEmpty() ? tr("the pair") : task);
}

void DiscoverBar::take_answer(const MethodAnswer& answer, const Origin& made_of) {
  job_ = 0;
  show_state();
  QStringList said;
  if (answer.error) said.append(QString::fromStdString(answer.error->to_string()));
  for (const std::string& warning : answer.warnings)
    said.append(QString::fromStdString(warning));
  note_->setText(said.join(QLatin1Char('\n')));
  note_->setVisible(!said.isEmpty());
  if (answer.file.empty()) return;
  const QString path = QString::fromStdString(answer.file);
  if (path.startsWith(workspace_.kept().folder()))
    Q_EMIT found(path, title_of(answer.request), made_of);
  else
    Q_EMIT kept(path);
}

void DiscoverBar::cancel() {
  if (running()) workspace_.engine().cancel(job_);
}

// ---- What is shown

void DiscoverBar::show_state() {
  const QString reason = why_not();
  run_->setEnabled(reason.isEmpty() && !running());
  run_->setToolTip(reason.isEmpty() ? tr("Score the edges of the model's graph and choose a circuit") : reason);
  cancel_->setEnabled(running());
  count_->setEnabled(!of_pair());
  show_progress();
}

void DiscoverBar::show_progress() {
  if (!running()) return note_->setVisible(!note_->text().isEmpty());
  bool known = false;
  for (const JobStatus& job : workspace_.engine().jobs()) {
    if (job.id != job_) continue;
    known = true;
    note_->setText(progress_text(job));
    note_->show();
  }
  if (known) return;
  job_ = 0; // a job that was cancelled while it waited has no answer
  note_->clear();
  show_state();
}

} // namespace headscope::gui
