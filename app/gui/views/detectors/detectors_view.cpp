// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/detectors/detectors_view.h"

#include <algorithm>

#include <QChartView>
#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QSignalBlocker>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

#include "app/gui/files/evidence.h"
#include "app/gui/files/kept_files.h"
#include "app/gui/models/head_list_model.h"
#include "app/gui/style/folding_column.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/views/charts.h"
#include "app/gui/views/detectors/detector_options.h"
#include "app/gui/views/detectors/evidence_panel.h"
#include "app/gui/views/detectors/masking_panel.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

constexpr int rows_shown = 9; // of the list of detectors: more scroll, so that the options below have room

constexpr int least_table_chars = 44; // its four columns

constexpr int histogram_bins = 24;

// The detector of a score: "detector/induction/later_rate" and "run/induction" belong to induction; other scores to
// none.
std::string detector_of(const std::string& score) {
  for (const std::string prefix : {"detector/", "run/"})
    if (score.rfind(prefix, 0) == 0) {
      const std::string rest = score.substr(prefix.size());
      return rest.substr(0, rest.find('/'));
    }
  return {};
}

// At least a few rows, and no more than these.
void show_rows(QListWidget& list, int rows) {
  const int row = list.fontMetrics().height() + 8;
  list.setMinimumHeight(std::min(rows, 3) * row);
  list.setMaximumHeight(rows * row + 6);
}

const QString kept_kind = QStringLiteral("detector");

bool ran_here(const std::string& score) { return score.rfind("run/", 0) == 0; }

} // namespace

DetectorsView::DetectorsView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("detectors"), tr("Detectors"), parent), heads_(new HeadListModel(this)),
      evidence_(new EvidencePanel(workspace)), masking_(new MaskingPanel(workspace)) {
  halves_ = new FoldingColumn(tr("Parts of the view Detectors"));
  halves_->add(make_list(), tr("Detectors"));
  halves_->add(make_results(), tr("Scores"), 1);
  halves_->set_beside_where_wide();
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 4, 4, 4);
  column->addWidget(halves_);
  connect(&workspace.scores(), &ScoreBoard::changed, this, &DetectorsView::show_scores);
  connect(&workspace, &Workspace::model_changed, this, &DetectorsView::show_buttons);
  connect(&workspace, &Workspace::model_changed, this, &DetectorsView::restore);
  connect(&workspace.ablation(), &AblationState::changed, this,
          [this] { heads_->set_ablated(this->workspace().ablation().heads()); });
  connect(&workspace.selection(), &Selection::heads_changed, this, [this] {
    const auto head = this->workspace().selection().head();
    const int row = head ? heads_->row_of(*head) : -1;
    if (row >= 0 && table_->currentIndex().row() != row) table_->selectRow(row);
  });
  read_list();
  show_scores();
  show_buttons();
}

// ---- What can be run

QWidget* DetectorsView::make_list() {
  list_ = new QListWidget;
  list_->setAccessibleName(tr("Detectors"));
  list_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff); // a long name ends in "…"
  show_rows(*list_, rows_shown);
  option_stack_ = new QStackedWidget;
  about_ = new QLabel;
  about_->setWordWrap(true);
  about_->setForegroundRole(QPalette::PlaceholderText);
  haystack_ = new QLineEdit;
  haystack_->setPlaceholderText(tr("generated text"));
  haystack_->setAccessibleName(tr("Text file or folder"));
  haystack_->setToolTip(tr("A text file or folder that retrieval and sink prompts are made of; empty: generated text"));
  run_ = new QPushButton(tr("Run"));
  save_ = new QPushButton(tr("Save as result file…"));
  auto* reset = new QPushButton(tr("Defaults"));
  auto* text = new QHBoxLayout;
  auto* label = new QLabel(tr("Te&xt"));
  label->setBuddy(haystack_);
  text->addWidget(label);
  text->addWidget(haystack_, 1);
  auto* buttons = new QHBoxLayout;
  buttons->addWidget(run_, 1);
  buttons->addWidget(reset);
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 0, 4, 0);
  column->addWidget(list_);
  column->addWidget(about_);
  column->addWidget(option_stack_, 1);
  column->addLayout(text);
  column->addLayout(buttons);
  column->addWidget(save_);
  connect(list_, &QListWidget::currentRowChanged, this, &DetectorsView::show_detector);
  connect(list_, &QListWidget::itemChanged, this, &DetectorsView::show_buttons);
  connect(run_, &QPushButton::clicked, this, &DetectorsView::run_ticked);
  connect(save_, &QPushButton::clicked, this, &DetectorsView::save_as);
  connect(reset, &QPushButton::clicked, this, [this] {
    for (const auto& [id, fields] : options_)
      fields->reset();
  });
  return box;
}

void DetectorsView::read_list() {
  workspace().files().post<std::vector<DetectorInfo>>(
      {QStringLiteral("detectors"), tr("Looking for detectors")}, this,
      [](FileState&, const JobContext<std::vector<DetectorInfo>>&) -> Result<std::vector<DetectorInfo>> {
        return list_detectors();
      },
      {[this](Result<std::vector<DetectorInfo>> known) {
        if (!known.ok()) return workspace().report(tr("Detectors were not found"), known.error());
        fill_list(*known);
      }});
}

void DetectorsView::need_list() {
  if (known_.empty()) fill_list(list_detectors());
}

void DetectorsView::fill_list(const std::vector<DetectorInfo>& known) {
  if (!known_.empty()) return; // already read by a caller that could not wait
  known_ = known;
  const QSignalBlocker blocker(list_);
  for (const DetectorInfo& info : known_) {
    auto* item = new QListWidgetItem(QString::fromStdString(info.title), list_);
    item->setFlags(Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemIsUserCheckable);
    item->setCheckState(Qt::Unchecked);
    item->setToolTip(QString::fromStdString(info.description));
    auto* fields = new DetectorOptions(info);
    options_[info.id] = fields;
    auto* scroll = new QScrollArea;
    scroll->setWidget(fields);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setMinimumSize(fields->minimumSizeHint().width() + scroll->verticalScrollBar()->sizeHint().width(),
                           3 * fontMetrics().lineSpacing());
    option_stack_->addWidget(scroll);
  }
  show_rows(*list_, std::min(static_cast<int>(known_.size()), rows_shown));
  list_->setCurrentRow(0);
  show_detector(list_->currentRow());
  show_buttons();
}

DetectorOptions& DetectorsView::options(const std::string& id) {
  need_list();
  return *options_.at(id);
}

void DetectorsView::show_detector(int row) {
  if (row < 0) return;
  const DetectorInfo& info = known_[static_cast<std::size_t>(row)];
  about_->setText(QString::fromStdString(info.description));
  about_->setToolTip(QString::fromStdString(info.reference));
  option_stack_->setCurrentIndex(row);
}

void DetectorsView::tick(const std::string& id, bool on) {
  need_list();
  for (std::size_t i = 0; i < known_.size(); ++i)
    if (known_[i].id == id) list_->item(static_cast<int>(i))->setCheckState(on ? Qt::Checked : Qt::Unchecked);
}

// ---- Running

void DetectorsView::run_ticked() {
  if (job_ != 0) { // the button says Cancel
    waiting_.clear();
    workspace().engine().cancel(job_);
    return;
  }
  waiting_.clear();
  for (std::size_t i = 0; i < known_.size(); ++i)
    if (list_->item(static_cast<int>(i))->checkState() == Qt::Checked)
      waiting_.push_back({known_[i].id, options_.at(known_[i].id)->changed(), haystack_->text().toStdString()});
  run_next();
}

void DetectorsView::run_next() {
  job_ = 0;
  if (!waiting_.empty()) {
    const DetectorRequest request = waiting_.front();
    waiting_.erase(waiting_.begin());
    job_ = workspace().engine().post<DetectorAnswer>(
        JobSpec::lengthy(QStringLiteral("detector"),
                         tr("Running the detector %1").arg(QString::fromStdString(request.id))),
        this,
        [request](EngineState& state, const JobContext<DetectorAnswer>& job) {
          return run_detector(state, request, job.control);
        },
        {[this](Result<DetectorAnswer> answer) {
          if (answer.ok()) {
            keep(*answer);
            take(std::move(*answer));
          } else {
            workspace().report(tr("The detector did not run"), answer.error());
          }
          run_next();
        }});
  }
  show_buttons();
}

namespace {

// Says which heads are at or above the threshold without being of the kind, and why.
QString unnamed_text(const DetectorResult& result) {
  if (result.conditions.empty()) return {};
  QStringList conditions, heads;
  for (const std::string& condition : result.conditions)
    conditions.append(QString::fromStdString(condition));
  for (std::size_t i = 0; i < std::min<std::size_t>(result.unnamed.size(), 6); ++i)
    heads.append(QStringLiteral("%1 (%2)").arg(QString::fromStdString(head_name(result.unnamed[i].head)),
                                               QString::fromStdString(result.unnamed[i].why)));
  QString text = DetectorsView::tr("\n%1 of the kind, which also asks for %2")
                     .arg(result.heads.size())
                     .arg(conditions.join(QStringLiteral(", ")));
  if (!heads.isEmpty()) text += DetectorsView::tr("; not: %1").arg(heads.join(QStringLiteral(", ")));
  return text;
}

} // namespace

// Whether there are finished scores of the same model that this answer, which was stopped, must not replace.
bool DetectorsView::outdoes(const DetectorAnswer& answer) const {
  const auto before = answers_.find(answer.request.id);
  return !answer.result->complete && before != answers_.end() && before->second.result->complete &&
         before->second.model_sha256 == answer.model_sha256;
}

// With the session.
void DetectorsView::keep(const DetectorAnswer& answer) {
  const auto& model = workspace().model();
  if (outdoes(answer) || !model || model->sha256 != answer.model_sha256) return;
  Origin made_of;
  made_of.model_sha256 = answer.model_sha256;
  made_of.attention = answer.plan;
  workspace().kept().put({kept_kind,
                          QString::fromStdString(answer.request.id),
                          QString::fromStdString(answer.title),
                          {},
                          made_of,
                          more_of(answer)},
                         [answer, of = model_attributes(*model)](const std::string& path) {
                           return write_detectors({path, true, {answer}}, of);
                         });
}

void DetectorsView::restore() {
  if (!workspace().model()) return;
  workspace().kept().restore<DetectorAnswer>(
      kept_kind, workspace().model()->sha256, this,
      [](FileState& state, const KeptEntry& entry) {
        return read_detector_answer(state, entry.file.toStdString(), entry.more);
      },
      [this](const KeptEntry&, DetectorAnswer answer) {
        const auto before = answers_.find(answer.request.id);
        if (before != answers_.end() && before->second.model_sha256 == answer.model_sha256 &&
            workspace().scores().find("run/" + answer.request.id))
          return; // it is there
        take(std::move(answer));
        show_buttons();
      });
}

void DetectorsView::take(DetectorAnswer answer) {
  const std::string id = answer.request.id;
  if (outdoes(answer)) {
    Q_EMIT workspace().noted(
        tr("%1 was stopped: the scores of the run that was finished stay").arg(QString::fromStdString(answer.title)));
    return;
  }
  const DetectorResult& result = *answer.result;
  HeadScores scores;
  scores.id = "run/" + id;
  scores.title = answer.title + tr(" (run here)").toStdString();
  scores.description = result.description;
  scores.units = result.units;
  scores.n_layers = static_cast<int>(result.n_layers);
  scores.n_heads = static_cast<int>(result.n_heads);
  scores.values = result.scores;
  scores.threshold = result.threshold;
  scores.source = "live";
  scores.model_sha256 = answer.model_sha256;
  scores.origin = Origin{};
  scores.origin->model_sha256 = answer.model_sha256;
  scores.origin->attention = answer.plan;
  if (!answer.plan.empty())
    scores.description += tr(" · under the attention plan %1").arg(QString::fromStdString(answer.plan)).toStdString();
  const HeadScores main = scores;
  answers_[id] = std::move(answer);
  const DetectorResult& kept = *answers_[id].result;
  for (const ScoreMap& map : kept.maps) {
    scores.id = "run/" + id + "/" + map.name;
    scores.title = id + ": " + map.name;
    scores.description = map.description;
    scores.units = map.units;
    scores.values = map.values;
    scores.threshold.reset();
    workspace().scores().put(scores);
  }
  workspace().scores().put(main);
  score_->setCurrentIndex(score_->findData(QString::fromStdString(main.id)));
  halves_->bring_up(halves_->part(1));
  show_chosen();
}

void DetectorsView::show_buttons() {
  const bool running = job_ != 0;
  bool any = false;
  for (int i = 0; i < list_->count(); ++i)
    any = any || list_->item(i)->checkState() == Qt::Checked;
  run_->setText(running ? tr("Cancel") : tr("Run"));
  run_->setEnabled(running || (any && workspace().model()));
  run_->setToolTip(!workspace().model() ? tr("Open a model first") : any ? QString() : tr("Tick a detector first"));
  save_->setEnabled(!running && !answers_.empty());
  save_->setToolTip(answers_.empty() ? tr("Run a detector first") : tr("What ran in this window, as one result file"));
}

// ---- Saving

void DetectorsView::save_as() {
  const QString path = QFileDialog::getSaveFileName(this, tr("Save as result file"), QStringLiteral("detectors.h5"),
                                                    tr("Results (*.h5)"));
  if (!path.isEmpty()) save(path, true); // the dialog has asked
}

void DetectorsView::save(const QString& path, bool overwrite) {
  SaveRequest request{path.toStdString(), overwrite, {}};
  for (const auto& [id, answer] : answers_)
    request.answers.push_back(answer);
  workspace().engine().post<std::string>({QStringLiteral("save"), tr("Writing %1").arg(path)}, this,
                                         [request](EngineState& state, const JobContext<std::string>& job) {
                                           return save_detectors(state, request, job.control);
                                         },
                                         {[this](Result<std::string> written) {
                                           if (written.ok())
                                             Q_EMIT workspace().noted(
                                                 tr("Wrote %1").arg(QString::fromStdString(*written)));
                                           else
                                             workspace().report(tr("The result file was not written"), written.error());
                                         }});
}

// ---- Results

QWidget* DetectorsView::make_results() {
  score_ = new QComboBox;
  score_->setAccessibleName(tr("Score"));
  score_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  score_->setMinimumContentsLength(10);
  score_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  summary_ = new QLabel;
  summary_->setWordWrap(true);
  table_ = new QTableView;
  table_->setModel(heads_);
  table_->setSortingEnabled(true);
  table_->sortByColumn(HeadListModel::rank_column, Qt::AscendingOrder);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setAlternatingRowColors(true);
  table_->verticalHeader()->hide();
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setStretchLastSection(true);
  follow_font(*table_, [this] {
    table_->verticalHeader()->setDefaultSectionSize(table_->fontMetrics().height() + 6);
    table_->setMinimumWidth(least_table_chars * table_->fontMetrics().averageCharWidth());
  });
  table_->setAccessibleName(tr("Strongest heads"));
  histogram_ = make_chart(tr("Distribution of the scores"));
  cumulative_ = make_chart(tr("Cumulative share of the scores"));
  auto* charts = new QSplitter(Qt::Horizontal);
  charts->addWidget(histogram_);
  charts->addWidget(cumulative_);
  auto* parts = new QSplitter(Qt::Vertical);
  parts->addWidget(table_);
  parts->addWidget(evidence_);
  parts->setSizes({180, 160});
  auto* distribution = new QSplitter(Qt::Vertical);
  distribution->addWidget(charts);
  distribution->addWidget(masking_);
  auto* folding = new FoldingColumn(tr("Parts of the scores"));
  folding->add(parts, tr("Heads"), 3);
  folding->add(distribution, tr("Distribution"), 2);
  mark_ = new OriginMark(workspace(), folding);
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(4, 0, 0, 0);
  column->addWidget(score_);
  column->addWidget(summary_);
  column->addWidget(folding, 1);
  connect(score_, &QComboBox::activated, this, &DetectorsView::show_chosen);
  const auto pick = [this](const QModelIndex& index) {
    if (index.isValid()) workspace().selection().set_head(heads_->head_at(index.row()));
  };
  connect(table_, &QTableView::clicked, this, pick);
  connect(table_, &QTableView::activated, this, pick);
  return box;
}

void DetectorsView::show_scores() {
  const QString before = score_->currentData().toString();
  {
    const QSignalBlocker blocker(score_);
    score_->clear();
    for (const HeadScores& scores : workspace().scores().all()) {
      if (detector_of(scores.id).empty()) continue;
      score_->addItem(QString::fromStdString(scores.title), QString::fromStdString(scores.id));
    }
    score_->setCurrentIndex(std::max(score_->findData(before), score_->count() > 0 ? 0 : -1));
  }
  show_chosen();
}

void DetectorsView::show_chosen() {
  const HeadScores* scores = workspace().scores().find(score_->currentData().toString().toStdString());
  score_->setVisible(scores);
  if (!scores) {
    summary_->setText(tr("Tick detectors and run them, or open a result file: scores appear here."));
    heads_->set_scores({}, {});
    evidence_->set_evidence({}, nullptr, {});
    show_histogram(*histogram_->chart(), {}, {});
    show_cumulative(*cumulative_->chart(), {});
    return;
  }
  Origin made_of = scores->origin.value_or(Origin{});
  made_of.model_sha256 = scores->model_sha256;
  mark_->set_origin(scores->model_sha256.empty() ? std::nullopt : std::optional(made_of));
  heads_->set_scores(*scores, {});
  heads_->set_ablated(workspace().ablation().heads());
  QString text = QString::fromStdString(scores->description);
  if (scores->threshold) {
    const auto above = std::count_if(scores->values.begin(), scores->values.end(),
                                     [&](float value) { return static_cast<double>(value) >= *scores->threshold; });
    text +=
        tr("\n%1 of %2 heads at or above %3").arg(above).arg(scores->values.size()).arg(*scores->threshold, 0, 'g', 3);
  }
  const auto answer = answers_.find(detector_of(scores->id));
  if (ran_here(scores->id) && answer != answers_.end()) {
    text += unnamed_text(*answer->second.result);
    if (!answer->second.result->complete) text += tr("\nCancelled: not everything was measured.");
    if (!answer->second.result->message.empty())
      text += QLatin1Char('\n') + QString::fromStdString(answer->second.result->message);
  }
  summary_->setText(text);
  const QString units = scores->units == "1" ? tr("score") : QString::fromStdString(scores->units);
  show_histogram(*histogram_->chart(), histogram_of(scores->values, histogram_bins), units);
  show_cumulative(*cumulative_->chart(), cumulative_share(scores->values));
  load_evidence();
}

void DetectorsView::load_evidence() {
  const HeadScores* scores = workspace().scores().find(score_->currentData().toString().toStdString());
  const std::string detector = detector_of(scores->id);
  if (ran_here(scores->id)) {
    const auto answer = answers_.find(detector);
    return evidence_->set_evidence(detector, answer == answers_.end() ? nullptr : answer->second.result, {});
  }
  workspace().files().post<std::shared_ptr<const DetectorResult>>(
      {QStringLiteral("evidence"), tr("Reading evidence")}, this,
      [path = scores->source, detector](FileState& state, const JobContext<std::shared_ptr<const DetectorResult>>& job)
          -> Result<std::shared_ptr<const DetectorResult>> {
        HS_ASSIGN(DetectorResult result, read_evidence(state, path, detector, job.control));
        return std::make_shared<const DetectorResult>(std::move(result));
      },
      {[this, detector, path = scores->source](Result<std::shared_ptr<const DetectorResult>> result) {
        if (!result.ok()) return workspace().report(tr("The evidence was not read"), result.error());
        evidence_->set_evidence(detector, *result, path);
      }});
}

std::optional<ViewExport> DetectorsView::exported() const {
  const HeadScores* scores = workspace().scores().find(score_->currentData().toString().toStdString());
  if (!scores) return std::nullopt;
  const Histogram histogram = histogram_of(scores->values, histogram_bins);
  if (histogram.counts.empty()) return std::nullopt;
  figures::BarFigure figure;
  figure.title = scores->title;
  figure.subtitle = scores->description;
  figure.x_axis = scores->units == "1" ? "score" : scores->units;
  figure.y_axis = "heads";
  figure.bin_edges = histogram.edges;
  figure.series = {{{}, {}, {histogram.counts.begin(), histogram.counts.end()}, {}, {}}};
  if (scores->threshold) figure.rules.push_back({*scores->threshold, "threshold", true});
  figures::Table table;
  table.columns = {"score"};
  table.row_header = "head";
  for (const HeadId head : ranked_heads(*scores)) {
    table.row_labels.push_back(head_name(head));
    table.values.push_back(static_cast<double>(scores->at(head)));
  }
  return ViewExport{QStringLiteral("detector-%1").arg(QString::fromStdString(detector_of(scores->id))), figure, table};
}

View* make_detectors_view(Workspace& workspace, QWidget* parent) { return new DetectorsView(workspace, parent); }

} // namespace headscope::gui
