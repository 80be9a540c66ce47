// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/lab/lab_view.h"

#include <set>

#include <QClipboard>
#include <QGridLayout>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/engine/method_job.h"
#include "app/gui/files/file_state.h"
#include "app/gui/files/result_summary.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/style/folding_column.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/ablation/prediction_bars.h"
#include "app/gui/views/lab/mechanism_form.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"
#include "core/base/partial_file.h"

namespace headscope::gui {
namespace {

constexpr int most_tokens = 6; // that are shown of the next
const QString kept_kind = QStringLiteral("measured");

} // namespace

LabView::LabView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("lab"), tr("Lab"), parent), form_(new MechanismForm), text_(new QLineEdit),
      heads_(new QLabel), problem_(new QLabel), numbers_(new QLabel), bars_(new PredictionBars) {
  setAccessibleName(tr("Attention lab"));
  auto* mechanism = new QWidget;
  auto* upper = new QVBoxLayout(mechanism);
  upper->setContentsMargins(0, 0, 0, 0);
  upper->addWidget(form_, 1);
  upper->addWidget(make_buttons());
  numbers_->setWordWrap(true);
  numbers_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  bars_->set_names(tr("full attention"), tr("under the plan"));
  auto* results = new QWidget;
  auto* rows = new QVBoxLayout(results);
  rows->setContentsMargins(0, 0, 0, 0);
  rows->addWidget(bars_);
  rows->addWidget(numbers_);
  auto* plan = new QWidget;
  auto* lower = new QVBoxLayout(plan);
  lower->setContentsMargins(0, 0, 0, 0);
  lower->addWidget(make_plan());
  lower->addWidget(results);
  auto* parts = new FoldingColumn(tr("Parts of the attention lab"));
  parts->add(mechanism, tr("Mechanism"), 1);
  parts->add(plan, tr("Plan"));
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 4, 4, 4);
  column->addWidget(parts);
  mark_ = new OriginMark(workspace, results);
  connect(&workspace.attention(), &AttentionState::changed, this, &LabView::show_plan);
  const auto stale = [this] {
    show_plan();
    stale_ = true;
    if (watched()) predict_now();
  };
  connect(&workspace, &Workspace::in_force_changed, this, stale);
  connect(&workspace, &Workspace::model_changed, this, &LabView::restore);
  connect(&workspace.selection(), &Selection::heads_changed, this, &LabView::show_plan);
  show_problem({});
  show_plan();
  show_prediction();
  read_plugins();
}

void LabView::read_plugins() {
  workspace().files().post<std::vector<MechanismCard>>(
      {QStringLiteral("mechanisms"), tr("Looking for plugins")}, this,
      [](FileState&, const JobContext<std::vector<MechanismCard>>&) -> Result<std::vector<MechanismCard>> {
        return list_plugin_mechanisms();
      },
      {[this](Result<std::vector<MechanismCard>> found) {
        if (!found.ok()) return workspace().report(tr("Plugins were not found"), found.error());
        form_->add(*found);
      }});
}

QWidget* LabView::make_buttons() {
  auto* box = new QWidget;
  auto* grid = new QGridLayout(box);
  grid->setContentsMargins(0, 0, 0, 0);
  const std::tuple<QString, QString, Heads> places[] = {
      {tr("The &selected heads"), QStringLiteral("selected"), Heads::selected},
      {tr("Their &layers"), QStringLiteral("layers"), Heads::layers},
      {tr("&All heads"), QStringLiteral("all"), Heads::all}};
  grid->addWidget(new QLabel(tr("Apply to")), 0, 0);
  grid->addWidget(new QLabel(tr("Back to full")), 1, 0);
  int at = 1;
  for (const auto& [title, name, heads] : places) {
    auto* apply = new QPushButton(title);
    auto* back = new QPushButton(QString(title).remove(u'&'));
    apply->setObjectName(QStringLiteral("apply-") + name);
    back->setObjectName(QStringLiteral("full-") + name);
    apply->setAccessibleName(tr("Apply the mechanism to: %1").arg(QString(title).remove(u'&')));
    back->setAccessibleName(tr("Back to full attention: %1").arg(QString(title).remove(u'&')));
    connect(apply, &QPushButton::clicked, this, [this, of = heads] { this->apply(of); });
    connect(back, &QPushButton::clicked, this, [this, of = heads] { this->back(of); });
    grid->addWidget(apply, 0, at);
    grid->addWidget(back, 1, at++);
    buttons_.insert(buttons_.end(), {apply, back});
  }
  return box;
}

QWidget* LabView::make_plan() {
  text_->setObjectName(QStringLiteral("plan"));
  text_->setAccessibleName(tr("Attention plan"));
  text_->setPlaceholderText(tr("full attention; e.g. window:window=128@layers=4-29"));
  text_->setToolTip(tr("The whole plan as text, as --attention takes it; Enter puts it in force"));
  text_->setClearButtonEnabled(true);
  auto* set = new QToolButton;
  set->setText(tr("Set"));
  set->setToolTip(tr("Put the plan of the text in force"));
  auto* copy_plan = new QToolButton;
  copy_plan->setText(tr("Copy"));
  copy_plan->setToolTip(tr("Copy the plan that is in force"));
  copy_ = new QToolButton;
  copy_->setText(tr("Copy as command"));
  copy_->setToolTip(tr("The command line that predicts the next token of the prompt under the plan"));
  measure_ = new QToolButton;
  measure_->setObjectName(QStringLiteral("measure"));
  measure_->setText(tr("Measure heads"));
  measure_->setToolTip(
      tr("On the prompt, for each head that the plan changes: the share of full attention's weight that "
         "it keeps, the divergence of its weights, the error of its output, and the keys it attends "
         "to; each becomes a score of the head grid"));
  connect(measure_, &QToolButton::clicked, this, &LabView::measure_heads);
  connect(text_, &QLineEdit::returnPressed, this, [this] { take(text_->text().trimmed().toStdString()); });
  connect(set, &QToolButton::clicked, this, [this] { take(text_->text().trimmed().toStdString()); });
  connect(copy_plan, &QToolButton::clicked, this,
          [this] { QGuiApplication::clipboard()->setText(QString::fromStdString(workspace().attention().plan())); });
  connect(copy_, &QToolButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(command()); });
  problem_->setWordWrap(true);
  heads_->setWordWrap(true);
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 0, 0, 0);
  auto* row = new QHBoxLayout;
  row->addWidget(text_, 1);
  row->addWidget(set);
  row->addWidget(copy_plan);
  auto* below = new QHBoxLayout;
  below->addStretch(1);
  below->addWidget(measure_);
  below->addWidget(copy_);
  column->addLayout(row);
  column->addWidget(problem_);
  column->addWidget(heads_);
  column->addLayout(below);
  return box;
}

// ---- Changing the plan

std::vector<HeadId> LabView::heads_of(Heads heads) const {
  std::vector<HeadId> out = workspace().selection().heads();
  if (heads == Heads::selected) return out;
  std::set<int> layers;
  for (const HeadId& head : out)
    layers.insert(head.layer);
  out.clear();
  for (int layer = 0; layer < workspace().n_layers(); ++layer)
    if (heads == Heads::all || layers.contains(layer))
      for (int head = 0; head < workspace().n_heads(); ++head)
        out.push_back({layer, head});
  return out;
}

void LabView::change(const std::vector<HeadId>& heads, const std::function<void(HeadPlan&, HeadId)>& change) {
  if (!workspace().model()) return;
  const int n_layers = workspace().n_layers(), n_heads = workspace().n_heads();
  auto plan = read_head_plan(workspace().attention().plan(), n_layers, n_heads);
  if (!plan.ok()) return show_problem(QString::fromStdString(plan.error().message));
  for (const HeadId& head : heads)
    change(*plan, head);
  take(write_head_plan(*plan, n_layers, n_heads));
}

void LabView::apply(Heads heads) {
  change(heads_of(heads), [spec = form_->spec()](HeadPlan& plan, HeadId head) { plan[head] = spec; });
}

void LabView::back(Heads heads) {
  change(heads_of(heads), [](HeadPlan& plan, HeadId head) { plan.erase(head); });
}

void LabView::set_text(QString text) {
  text_->setText(text);
  take(text.trimmed().toStdString());
}

// A plan that does not fit leaves the one in force, and says why beside its text.
void LabView::take(const std::string& plan) {
  show_problem({});
  workspace().set_attention(plan, [this](const Error& error) {
    if (error.code != ErrorCode::cancelled) show_problem(QString::fromStdString(error.message));
  });
}

void LabView::show_problem(const QString& text) {
  QPalette palette;
  palette.setColor(QPalette::WindowText, inks().warning);
  problem_->setPalette(palette);
  problem_->setText(text);
  problem_->setVisible(!text.isEmpty());
}

QString LabView::problem() const { return problem_->isHidden() ? QString() : problem_->text(); }

// ---- What is shown

void LabView::show_plan() {
  const AttentionState& attention = workspace().attention();
  const QString plan = QString::fromStdString(attention.plan());
  if (plan != shown_plan_) {
    text_->setText(plan);
    show_problem({});
  }
  shown_plan_ = plan;
  const int all = workspace().n_layers() * workspace().n_heads();
  QString text = attention.full()
                     ? tr("All heads attend fully.")
                     : tr("%1 of %2 heads attend as the plan says.").arg(attention.heads().size()).arg(all);
  if (const auto head = workspace().selection().head(); head && !attention.full()) {
    const auto by_head = read_head_plan(attention.plan(), workspace().n_layers(), workspace().n_heads());
    const auto found = by_head.ok() ? by_head->find(*head) : HeadPlan::const_iterator();
    const bool changed = by_head.ok() && found != by_head->end();
    text += tr(" Head %1: %2.")
                .arg(QString::fromStdString(head_name(*head)),
                     changed ? QString::fromStdString(found->second) : tr("full attention"));
  }
  heads_->setText(text);
  for (QPushButton* button : buttons_)
    button->setEnabled(workspace().model().has_value());
  copy_->setEnabled(!command().isEmpty());
  measure_->setEnabled(!attention.full() && workspace().live() && workspace().prompt().tokens().size() > 1);
}

// By the method compare, on a file that holds the prompt.
void LabView::measure_heads() {
  if (!measure_->isEnabled()) return;
  auto prompt = prompt_values(workspace().prompt());
  const std::string text_file = folder_.filePath(QStringLiteral("prompt.txt")).toStdString();
  if (const Status written = write_file(text_file, prompt["prompt"], true); !written.ok())
    return workspace().report(tr("The heads were not measured"), written.error());
  std::map<std::string, std::string> values = {{"text_file", text_file}, {"attention", workspace().attention().plan()}};
  if (prompt.contains("no_bos")) values["no_bos"] = "true";
  auto request = filled_request("compare", values, command_model(workspace()));
  if (!request.ok()) return workspace().report(tr("The heads were not measured"), request.error());
  request->out = workspace().kept().new_file(kept_kind).toStdString();
  request->replace = true;
  workspace().engine().post<MethodAnswer>(
      {QStringLiteral("lab-heads"), tr("Measuring heads under the plan")}, this,
      [request = std::move(*request)](EngineState& state, const JobContext<MethodAnswer>& job) {
        return run_method(state, request, job.control);
      },
      {[this, made_of = workspace().origin({true})](const Result<MethodAnswer>& answer) {
        const QString failed = tr("The heads were not measured");
        if (!answer.ok()) return workspace().report(failed, answer.error());
        if (answer->error) return workspace().report(failed, *answer->error);
        if (!answer->file.empty()) read_measures(answer->file, made_of);
      }});
}

void LabView::put_scores(std::vector<HeadScores> all, const Origin& made_of) {
  for (HeadScores& scores : all) {
    scores.source = "live";
    scores.origin = made_of;
    scores.command.clear(); // its text is in a file that goes with the window
    workspace().scores().put(std::move(scores));
  }
}

// What the session has kept for this model.
void LabView::restore() {
  if (!workspace().model()) return;
  workspace().kept().restore<ResultSummary>(
      kept_kind, workspace().model()->sha256, this,
      [](FileState& state, const KeptEntry& entry) { return open_result(state, entry.file.toStdString(), {}); },
      [this](const KeptEntry& entry, ResultSummary summary) { put_scores(std::move(summary.scores), entry.origin); });
}

void LabView::read_measures(const std::string& file, const Origin& made_of) {
  workspace().files().post<ResultSummary>(
      {QStringLiteral("lab-heads"), tr("Reading what was measured of heads")}, this,
      [file](FileState& state, const JobContext<ResultSummary>& job) { return open_result(state, file, job.control); },
      {[this, file, made_of](Result<ResultSummary> summary) {
        if (!summary.ok()) return workspace().report(tr("The heads were not measured"), summary.error());
        if (summary->prompts.empty() || summary->scores.empty()) return;
        std::vector<std::int64_t> tokens;
        for (const TokenInfo& token : summary->prompts.front().tokens)
          tokens.push_back(token.id);
        Origin of = made_of;
        of.tokens = tokens; // a text that was generated may be cut into other tokens when it is read
        workspace().kept().put({kept_kind, QString::fromStdString(of.attention.value_or("")),
                                tr("What was measured of heads"), QString::fromStdString(file), of},
                               nullptr);
        put_scores(std::move(summary->scores), of);
        Q_EMIT workspace().noted(tr("Measured: choose the scores in the head grid"));
        Q_EMIT workspace().view_wanted(QStringLiteral("grid"));
      }});
}

QString LabView::command() const {
  if (!workspace().live()) return {};
  const auto request = filled_request("logits", prompt_values(workspace().prompt()), command_model(workspace()));
  return request.ok() ? QString::fromStdString(request->command_line) : QString();
}

void LabView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  if (stale_) predict_now();
}

// The next token before and after the plan, with the same heads ablated.
void LabView::predict_now() {
  if (!workspace().live()) {
    prediction_.reset();
    mark_->set_origin(std::nullopt);
    return show_prediction();
  }
  stale_ = false;
  PredictRequest request;
  request.tokens = workspace().prompt().ids();
  request.ablation = workspace().ablation().input();
  request.answer = workspace().answers().pair().answer;
  request.wrong = workspace().answers().pair().wrong;
  request.against_full = true;
  request.top = most_tokens;
  workspace().engine().post<Prediction>(
      JobSpec::view(QStringLiteral("predict-plan"), tr("Predicting under the attention plan")), this,
      [request](EngineState& state, const JobContext<Prediction>& job) { return predict(state, request, job.control); },
      {[this, made_of = workspace().origin({true, true, true})](Result<Prediction> prediction) {
        if (!prediction.ok()) {
          stale_ = true;
          numbers_->setText(tr("Nothing was predicted: %1").arg(QString::fromStdString(prediction.error().message)));
          return;
        }
        prediction_ = std::move(*prediction);
        mark_->set_origin(made_of);
        show_prediction();
      }});
}

void LabView::show_prediction() {
  const bool planned = mark_ && mark_->origin() && mark_->origin()->attention && !mark_->origin()->attention->empty();
  bars_->setVisible(prediction_.has_value());
  if (!prediction_) return numbers_->setText(tr("Type a prompt to see its next token before and after."));
  bars_->set_prediction(prediction_->top, planned);
  const auto number = [](double value) {
    return QString::number(value, 'f', 3).replace(QLatin1Char('-'), QChar(0x2212));
  };
  const QString pair =
      QStringLiteral("%1 − %2").arg(token_text(prediction_->answer.text, 16), token_text(prediction_->wrong.text, 16));
  if (planned)
    numbers_->setText(tr("Logit difference %1: %2 → %3\nKL(full‖plan): %4 nats")
                          .arg(pair, number(prediction_->clean_diff), number(prediction_->ablated_diff))
                          .arg(prediction_->kl, 0, 'g', 3));
  else
    numbers_->setText(tr("Logit difference %1: %2\nChoose a mechanism and apply it to heads to see what changes.")
                          .arg(pair, number(prediction_->clean_diff)));
}

std::optional<ViewExport> LabView::exported() const {
  if (!prediction_) return std::nullopt;
  figures::BarFigure figure;
  figure.title = tr("Next token under full attention and under a plan").toStdString();
  figure.subtitle = workspace().attention().plan();
  figure.y_axis = tr("probability").toStdString();
  figures::Series before{tr("full attention").toStdString(), {}, {}, {}, {}},
      after{tr("plan").toStdString(), {}, {}, {}, {}};
  for (const PredictedToken& token : prediction_->top) {
    figure.categories.push_back(token.token.text);
    before.y.push_back(token.clean);
    after.y.push_back(token.ablated);
  }
  figure.series = {std::move(before), std::move(after)};
  return ViewExport{QStringLiteral("attention-plan"), std::move(figure), std::nullopt};
}

View* make_lab_view(Workspace& workspace, QWidget* parent) { return new LabView(workspace, parent); }

} // namespace headscope::gui
