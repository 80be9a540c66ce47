// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/grid/grid_view.h"

#include <algorithm>

#include <QAction>
#include <QCheckBox>
#include <QClipboard>
#include <QDoubleSpinBox>
#include <QGuiApplication>
#include <QLineEdit>
#include <QMenu>
#include <QSpinBox>
#include <QSplitter>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/models/score_difference.h"
#include "app/gui/style/folding_row.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_figure.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

// Scores of longer prompts take many seconds, so they are computed only on request.
constexpr std::size_t longest_scored = 2048;
constexpr std::size_t most_grids = 6;

} // namespace

GridView::GridView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("grid"), tr("Head grid"), parent), splitter_(new QSplitter(Qt::Horizontal)) {
  splitter_->setChildrenCollapsible(false);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addWidget(make_bar());
  column->addWidget(splitter_, 1);
  add_grid();
  connect(&workspace.prompt(), &PromptState::changed, this, &GridView::score_prompt);
  connect(&workspace.attention(), &AttentionState::changed, this, &GridView::score_prompt);
  connect(&workspace, &Workspace::model_changed, this, [this] {
    scored_.clear();
    apply_filter(); // groups of heads are the model's
    score_prompt();
  });
}

QWidget* GridView::make_bar() {
  text_ = new QLineEdit;
  text_->setPlaceholderText(tr("Filter: 18."));
  text_->setToolTip(tr("Only heads whose name begins like this: 18. is layer 18"));
  text_->setAccessibleName(tr("Filter by name"));
  text_->setClearButtonEnabled(true);
  text_->setMinimumWidth(fontMetrics().horizontalAdvance(text_->placeholderText()) + 24);
  top_ = new QSpinBox;
  top_->setRange(0, 9999);
  top_->setSpecialValueText(tr("all heads"));
  top_->setPrefix(tr("top "));
  top_->setAccessibleName(tr("Only the strongest"));
  top_->setToolTip(tr("Only the strongest so many heads"));
  minimum_ = new QDoubleSpinBox;
  minimum_->setRange(-0.01, 1000.0);
  minimum_->setValue(-0.01);
  minimum_->setSingleStep(0.05);
  minimum_->setSpecialValueText(tr("any score"));
  minimum_->setPrefix(QStringLiteral("≥ "));
  minimum_->setAccessibleName(tr("Smallest value"));
  minimum_->setToolTip(tr("Only heads with at least this value, or effect of this size"));
  above_ = new QCheckBox(tr("≥ threshold"));
  above_->setToolTip(tr("Only heads at or above the threshold of their score"));
  list_ = new QToolButton;
  list_->setText(tr("List"));
  list_->setCheckable(true);
  list_->setToolTip(tr("Heads as a table that sorts by any column"));
  auto* add = new QToolButton;
  add->setText(tr("Add grid"));
  add->setToolTip(tr("Another score beside this one"));
  auto* bar = new QWidget;
  auto* first = new QHBoxLayout;
  first->addWidget(text_, 1);
  first->addWidget(list_);
  first->addWidget(add);
  auto* second = new QHBoxLayout;
  second->addWidget(top_, 1);
  second->addWidget(minimum_, 1);
  second->addWidget(above_);
  auto* filters = new FoldingRow;
  filters->parts().setSpacing(4);
  filters->parts().addLayout(first, 1);
  filters->parts().addLayout(second, 1);
  sweep_ = new SweepBar(workspace());
  auto* rows = new QVBoxLayout(bar);
  rows->setContentsMargins(4, 2, 4, 0);
  rows->setSpacing(4);
  rows->addWidget(filters);
  rows->addWidget(sweep_);
  connect(sweep_, &SweepBar::score_wanted, this, [this](const QString& id) { panels_.front()->choose(id); });
  add_to_menu(sweep_->menu());
  connect(text_, &QLineEdit::textChanged, this, &GridView::apply_filter);
  connect(top_, &QSpinBox::valueChanged, this, &GridView::apply_filter);
  connect(minimum_, &QDoubleSpinBox::valueChanged, this, &GridView::apply_filter);
  connect(above_, &QCheckBox::toggled, this, &GridView::apply_filter);
  connect(list_, &QToolButton::toggled, this, [this](bool list) {
    for (ScorePanel* panel : panels_)
      panel->set_list_mode(list);
  });
  connect(add, &QToolButton::clicked, this, [this] { add_grid(); });
  return bar;
}

// What is done with the scores that are shown.
void GridView::add_to_menu(QMenu& menu) {
  QAction* copy = menu.addAction(tr("Copy the score as command"), this,
                                 [this] { QGuiApplication::clipboard()->setText(panels_.front()->command()); });
  QAction* difference = menu.addAction(tr("Difference of the first two grids"), this, &GridView::subtract);
  connect(&menu, &QMenu::aboutToShow, this, [this, copy, difference] {
    copy->setEnabled(!panels_.front()->command().isEmpty());
    copy->setToolTip(panels_.front()->why_no_command());
    difference->setEnabled(panels_.size() > 1 && panels_[0]->scores() && panels_[1]->scores());
    difference->setToolTip(difference->isEnabled() ? QString() : tr("Add a grid, and choose a score in each"));
  });
}

void GridView::subtract() {
  if (panels_.size() < 2 || !panels_[0]->scores() || !panels_[1]->scores()) return;
  const HeadScores &a = *panels_[0]->scores(), &b = *panels_[1]->scores();
  ScoreDifference found = compare_scores(a, b);
  if (found.compared == 0) return;
  HeadScores& scores = found.difference;
  scores.id.append(" ").append(b.id);
  scores.title = tr("%1 − %2").arg(QString::fromStdString(a.title), QString::fromStdString(b.title)).toStdString();
  scores.description = tr("%1 heads that both have measured; rank correlation %2")
                           .arg(found.compared)
                           .arg(found.correlation, 0, 'f', 3)
                           .toStdString();
  const QString id = QString::fromStdString(scores.id);
  workspace().scores().put(std::move(scores));
  panels_.front()->choose(id);
}

ScorePanel* GridView::add_grid() {
  if (panels_.size() == most_grids) return panels_.back();
  auto* panel = new ScorePanel(workspace());
  panel->set_filter(filter());
  panel->set_list_mode(list_->isChecked());
  splitter_->addWidget(panel);
  panels_.push_back(panel);
  // Chooses a score that no other grid shows.
  for (const HeadScores& scores : workspace().scores().all()) {
    const QString id = QString::fromStdString(scores.id);
    const auto shows = [&](const ScorePanel* other) { return other != panel && other->score_id() == id; };
    if (std::any_of(panels_.begin(), panels_.end(), shows)) continue;
    panel->choose(id);
    break;
  }
  connect(panel, &ScorePanel::kind_wanted, this, [this, panel](const QString& id) { show_kind(*panel, id); });
  connect(panel, &ScorePanel::layer_wanted, text_, &QLineEdit::setText);
  connect(panel, &ScorePanel::remove_wanted, this, [this, panel] { remove_grid(panel); });
  for (ScorePanel* each : panels_)
    each->set_removable(panels_.size() > 1);
  return panel;
}

void GridView::remove_grid(ScorePanel* panel) {
  if (panels_.size() < 2) return;
  std::erase(panels_, panel);
  panel->deleteLater();
  panel->hide();
  for (ScorePanel* each : panels_)
    each->set_removable(panels_.size() > 1);
}

void GridView::show_kind(ScorePanel& panel, const QString& score_id) {
  panel.choose(score_id);
  above_->setChecked(true);
}

HeadFilter GridView::filter() const {
  HeadFilter filter;
  filter.text = text_->text().trimmed().toStdString();
  filter.top = top_->value();
  if (minimum_->value() >= 0.0) filter.minimum = minimum_->value();
  filter.above_threshold = above_->isChecked();
  return filter;
}

void GridView::apply_filter() {
  for (ScorePanel* panel : panels_)
    panel->set_filter(filter());
}

void GridView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  score_prompt();
}

void GridView::score_prompt() {
  std::vector<std::int64_t> tokens = workspace().prompt().ids();
  if (workspace().attention().plan() != scored_under_) scored_.clear();
  if (tokens != scored_) scored_.clear(); // the job of the prompt before is dropped, whether this one is scored or not
  if (!watched() || !workspace().live()) return;
  if (tokens == scored_ || tokens.size() > longest_scored) return;
  scored_ = tokens;
  scored_under_ = workspace().attention().plan();
  workspace().engine().post<LiveScores>(JobSpec::view(QStringLiteral("live-scores"), tr("Scoring heads on the prompt")),
                                        this,
                                        [tokens](EngineState& state, const JobContext<LiveScores>& job) {
                                          return live_scores(state, tokens, job.control);
                                        },
                                        {[this, origin = workspace().origin({true, false})](Result<LiveScores> scores) {
                                          if (scores.ok()) return take_live(*scores, origin);
                                          scored_.clear();
                                          workspace().report(tr("Heads were not scored on the prompt"), scores.error());
                                        }});
}

void GridView::take_live(const LiveScores& live, const Origin& origin) {
  const auto put = [&](const char* id, const QString& title, const QString& description, const char* units,
                       const std::vector<float>& values) {
    HeadScores scores;
    scores.id = std::string("live/") + id;
    scores.title = title.toStdString();
    scores.description = description.toStdString();
    scores.units = units;
    scores.n_layers = live.n_layers;
    scores.n_heads = live.n_heads;
    scores.values = values;
    scores.source = "live";
    scores.model_sha256 = origin.model_sha256;
    scores.origin = origin;
    workspace().scores().put(std::move(scores));
  };
  put("sink_mass", tr("Prompt: attention to the first token"),
      tr("Mean over the prompt's queries of the attention to the first token"), "1", live.sink_mass);
  put("entropy", tr("Prompt: entropy of attention"), tr("Mean over the prompt's queries of the entropy over keys"),
      "nat", live.entropy);
  put("max_weight", tr("Prompt: largest weight"), tr("Mean over the prompt's queries of the largest weight"), "1",
      live.max_weight);
}

std::optional<ViewExport> GridView::exported() const {
  std::vector<const HeadScores*> shown;
  for (const ScorePanel* panel : panels_)
    if (const HeadScores* scores = panel->scores()) shown.push_back(scores);
  if (shown.empty()) return std::nullopt;
  if (shown.size() == 1)
    return ViewExport{QStringLiteral("scores-%1").arg(QString::fromStdString(shown.front()->id).replace(u'/', u'-')),
                      score_figure(*shown.front()), std::nullopt};
  figures::PanelFigure figure;
  figure.title = tr("Scores of attention heads").toStdString();
  figure.shared_scale = false;
  for (const HeadScores* scores : shown)
    figure.panels.push_back(score_figure(*scores));
  return ViewExport{QStringLiteral("scores"), figure, std::nullopt};
}

View* make_grid_view(Workspace& workspace, QWidget* parent) { return new GridView(workspace, parent); }

} // namespace headscope::gui
