// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/runs/compare_panel.h"

#include <algorithm>
#include <cmath>

#include <QComboBox>
#include <QGridLayout>
#include <QHeaderView>
#include <QLabel>
#include <QSignalBlocker>
#include <QSplitter>
#include <QTableView>

#include "app/gui/models/head_list_model.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/menus/head_menu.h"

namespace headscope::gui {
namespace {

using Pair = std::pair<std::vector<HeadScores>, std::vector<HeadScores>>;

const HeadScores* scores_of(const std::vector<HeadScores>& scores, const std::string& id) {
  const auto found = std::find_if(scores.begin(), scores.end(), [&](const HeadScores& s) { return s.id == id; });
  return found == scores.end() ? nullptr : &*found;
}

} // namespace

ComparePanel::ComparePanel(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), a_(new QComboBox), b_(new QComboBox), score_(new QComboBox),
      summary_(new QLabel), grid_(new HeadGrid), heads_(new HeadListModel(this)), table_(new QTableView) {
  summary_->setWordWrap(true);
  table_->setModel(heads_);
  table_->setSortingEnabled(true);
  table_->sortByColumn(HeadListModel::rank_column, Qt::AscendingOrder);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setAlternatingRowColors(true);
  table_->verticalHeader()->hide();
  follow_font(*table_, [this] { table_->verticalHeader()->setDefaultSectionSize(table_->fontMetrics().height() + 6); });
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->setColumnHidden(HeadListModel::state_column, true);
  table_->setAccessibleName(tr("Heads that differ most"));
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(4, 4, 4, 4);
  int row = 0;
  for (const auto& [name, combo] : std::initializer_list<std::pair<QString, QComboBox*>>{
           {tr("Run &A"), a_}, {tr("Run &B"), b_}, {tr("&Score"), score_}}) {
    auto* label = new QLabel(name);
    label->setBuddy(combo);
    combo->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    combo->setMinimumContentsLength(10);
    combo->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    combo->setAccessibleName(QString(name).remove(u'&'));
    grid->addWidget(label, row, 0);
    grid->addWidget(combo, row++, 1);
  }
  grid->addWidget(summary_, row++, 0, 1, 2);
  auto* splitter = new QSplitter(Qt::Horizontal);
  splitter->addWidget(grid_);
  splitter->addWidget(table_);
  grid->addWidget(splitter, row, 0, 1, 2);
  grid->setRowStretch(row, 1);
  connect(a_, &QComboBox::activated, this, &ComparePanel::load);
  connect(b_, &QComboBox::activated, this, &ComparePanel::load);
  connect(score_, &QComboBox::activated, this, &ComparePanel::show_difference);
  connect(grid_, &HeadGrid::clicked, this, [this](HeadId head) { workspace_.selection().set_head(head); });
  connect(table_, &QTableView::clicked, this,
          [this](const QModelIndex& index) { workspace_.selection().set_head(heads_->head_at(index.row())); });
  connect(grid_, &HeadGrid::menu_wanted, this, [this](HeadId head, const QPoint& place) {
    auto* menu = new QMenu(this);
    add_head_actions(*menu, workspace_, head);
    show_menu(menu, place);
  });
  connect(&workspace_.selection(), &Selection::heads_changed, this,
          [this] { grid_->set_selected(workspace_.selection().heads(), false); });
  show_difference();
}

void ComparePanel::set_runs(const std::vector<std::pair<QString, QString>>& runs) {
  for (QComboBox* combo : {a_, b_}) {
    const QString before = combo->currentData().toString();
    const QSignalBlocker blocker(combo);
    combo->clear();
    for (const auto& [name, path] : runs)
      combo->addItem(name, path);
    combo->setCurrentIndex(combo->findData(before));
  }
}

void ComparePanel::choose(const QString& a, const QString& b) {
  a_->setCurrentIndex(a_->findData(a));
  b_->setCurrentIndex(b_->findData(b));
  load();
}

void ComparePanel::load() {
  const std::string a = a_->currentData().toString().toStdString(), b = b_->currentData().toString().toStdString();
  if (a.empty() || b.empty()) return show_difference();
  workspace_.files().post<Pair>({QStringLiteral("compare"), tr("Reading two runs")}, this,
                                [a, b](FileState& state, const JobContext<Pair>& job) -> Result<Pair> {
                                  HS_ASSIGN(ResultSummary first, open_result(state, a, job.control));
                                  HS_ASSIGN(ResultSummary second, open_result(state, b, job.control));
                                  return Pair{std::move(first.scores), std::move(second.scores)};
                                },
                                {[this](Result<Pair> scores) {
                                  if (!scores.ok())
                                    return workspace_.report(tr("The runs were not compared"), scores.error());
                                  scores_a_ = std::move(scores->first);
                                  scores_b_ = std::move(scores->second);
                                  show_scores();
                                }});
}

void ComparePanel::show_scores() {
  const QString before = score_->currentData().toString();
  {
    const QSignalBlocker blocker(score_);
    score_->clear();
    for (const HeadScores& scores : scores_a_)
      if (scores_of(scores_b_, scores.id))
        score_->addItem(QString::fromStdString(scores.title), QString::fromStdString(scores.id));
    score_->setCurrentIndex(std::max(score_->findData(before), score_->count() > 0 ? 0 : -1));
  }
  show_difference();
}

void ComparePanel::show_difference() {
  const std::string id = score_->currentData().toString().toStdString();
  const HeadScores *a = scores_of(scores_a_, id), *b = scores_of(scores_b_, id);
  difference_.reset();
  if (a && b) difference_ = compare_scores(*a, *b);
  grid_->setVisible(difference_ && difference_->compared > 0);
  table_->setVisible(grid_->isVisibleTo(this));
  if (!difference_ || difference_->compared == 0) {
    heads_->set_scores({}, {});
    summary_->setText(scores_a_.empty() || scores_b_.empty() ? tr("Choose two runs to compare")
                      : difference_                          ? tr("The models of these runs have other shapes")
                                                             : tr("These runs have no score in common"));
    return;
  }
  const HeadScores& map = difference_->difference;
  grid_->set_scores(map, std::vector<bool>(map.values.size(), true), 1);
  grid_->set_selected(workspace_.selection().heads(), false);
  heads_->set_scores(map, {});
  const QString correlation =
      std::isnan(difference_->correlation) ? tr("not defined") : QString::number(difference_->correlation, 'f', 3);
  summary_->setText(tr("A − B over %1 heads; rank correlation %2").arg(difference_->compared).arg(correlation));
  keep_as_score();
}

// The difference is a score of the head grid, too.
void ComparePanel::keep_as_score() {
  HeadScores scores = difference_->difference;
  scores.id = "comparison/" + score_->currentData().toString().toStdString();
  scores.title = tr("%1: %2 − %3").arg(score_->currentText(), a_->currentText(), b_->currentText()).toStdString();
  scores.description = tr("Run A less run B. %1").arg(summary_->text()).toStdString();
  scores.source = "comparison";
  const HeadScores* b = scores_of(scores_b_, score_->currentData().toString().toStdString());
  if (b && b->model_sha256 != scores.model_sha256)
    scores.description += tr("; the runs are of two models").toStdString();
  workspace_.scores().put(std::move(scores));
}

} // namespace headscope::gui
