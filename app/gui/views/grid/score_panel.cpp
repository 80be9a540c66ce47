// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/grid/score_panel.h"

#include <algorithm>
#include <cmath>

#include <QClipboard>
#include <QComboBox>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QStandardItemModel>
#include <QStyle>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/gui/models/head_list_model.h"
#include "app/gui/models/score_owner.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/menus/head_menu.h"
#include "app/gui/views/origin/origin_mark.h"

namespace headscope::gui {

ScorePanel::ScorePanel(Workspace& workspace, QWidget* parent)
    : QFrame(parent), workspace_(workspace), choice_(new QComboBox), remove_(new QToolButton),
      stack_(new QStackedWidget), grid_(new HeadGrid), mark_(new OriginMark(workspace, stack_, Qt::BottomEdge)),
      list_(new HeadListModel(this)), table_(new QTableView), value_(new QLabel) {
  choice_->setAccessibleName(tr("Score"));
  choice_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  choice_->setMinimumContentsLength(8);
  choice_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  remove_->setIcon(style()->standardIcon(QStyle::SP_TitleBarCloseButton));
  remove_->setAutoRaise(true);
  remove_->setToolTip(tr("Remove this grid"));
  remove_->setAccessibleName(tr("Remove this grid"));
  table_->setModel(list_);
  table_->setSortingEnabled(true);
  table_->sortByColumn(HeadListModel::rank_column, Qt::AscendingOrder);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setAlternatingRowColors(true);
  table_->verticalHeader()->hide();
  follow_font(*table_, [this] { table_->verticalHeader()->setDefaultSectionSize(table_->fontMetrics().height() + 6); });
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->setAccessibleName(tr("List of heads"));
  stack_->addWidget(grid_);
  stack_->addWidget(table_);
  value_->setMinimumHeight(fontMetrics().height());
  value_->setTextFormat(Qt::PlainText);
  value_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  auto* row = new QHBoxLayout;
  row->addWidget(choice_, 1);
  row->addWidget(remove_);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 4, 4, 4);
  column->addLayout(row);
  column->addWidget(stack_, 1);
  column->addWidget(value_);
  connect(remove_, &QToolButton::clicked, this, &ScorePanel::remove_wanted);
  connect(choice_, &QComboBox::activated, this, [this](int index) { choose(choice_->itemData(index).toString()); });
  connect(grid_, &HeadGrid::hovered, this, &ScorePanel::show_value);
  connect(grid_, &HeadGrid::clicked, this, &ScorePanel::click);
  connect(grid_, &HeadGrid::double_clicked, this, [this](HeadId head) {
    workspace_.selection().set_head(head);
    workspace_.selection().set_isolated(true);
  });
  connect(grid_, &HeadGrid::stepped, this, [this](int layers, int heads) {
    const HeadId from = workspace_.selection().head().value_or(HeadId{});
    workspace_.selection().set_head(
        {std::clamp(from.layer + layers, 0, std::max(0, workspace_.n_layers() - 1)),
         std::clamp(static_cast<int>(from.head) + heads, 0, std::max(0, workspace_.n_heads() - 1))});
  });
  connect(table_, &QTableView::clicked, this, [this](const QModelIndex& index) {
    click(list_->head_at(index.row()), QGuiApplication::keyboardModifiers() & Qt::ControlModifier);
  });
  connect(table_, &QTableView::activated, this,
          [this](const QModelIndex& index) { click(list_->head_at(index.row()), Qt::NoModifier); });
  connect(grid_, &HeadGrid::menu_wanted, this,
          [this](HeadId head, const QPoint& place) { show_menu(head_menu(head), place); });
  table_->setContextMenuPolicy(Qt::CustomContextMenu);
  connect(table_, &QTableView::customContextMenuRequested, this, [this](const QPoint& place) {
    const QModelIndex index = table_->indexAt(place); // by the keyboard the place is that of the current row
    if (index.isValid()) Q_EMIT grid_->menu_wanted(list_->head_at(index.row()), table_->viewport()->mapToGlobal(place));
  });
  connect(&workspace_, &Workspace::model_changed, this, &ScorePanel::take_up_scores);
  connect(&workspace_.scores(), &ScoreBoard::changed, this, &ScorePanel::take_up_scores);
  connect(&workspace_.selection(), &Selection::heads_changed, this, &ScorePanel::show_selection);
  connect(&workspace_.ablation(), &AblationState::changed, this, &ScorePanel::show_ablated);
  connect(&workspace_.attention(), &AttentionState::changed, this, &ScorePanel::show_ablated);
  take_up_scores();
  show_ablated();
}

void ScorePanel::set_filter(const HeadFilter& filter) {
  filter_ = filter;
  show_scores();
}

void ScorePanel::set_list_mode(bool list) { stack_->setCurrentIndex(list ? 1 : 0); }

void ScorePanel::set_removable(bool removable) { remove_->setVisible(removable); }

void ScorePanel::choose(const QString& id) {
  wanted_ = id;
  const QSignalBlocker blocker(choice_);
  const int wanted = choice_->findData(id);
  choice_->setCurrentIndex(is_enabled(wanted) ? wanted : first_enabled());
  show_scores();
}

QString ScorePanel::score_id() const { return choice_->currentData().toString(); }

const HeadScores* ScorePanel::scores() const { return workspace_.scores().find(score_id().toStdString()); }

bool ScorePanel::is_enabled(int item) const {
  return item >= 0 && choice_->model()->index(item, 0).flags().testFlag(Qt::ItemIsEnabled);
}

int ScorePanel::first_enabled() const {
  for (int item = 0; item < choice_->count(); ++item)
    if (is_enabled(item)) return item;
  return -1;
}

// What is of another model stands there in grey, with the reason.
void ScorePanel::take_up_scores() {
  {
    const QSignalBlocker blocker(choice_);
    choice_->clear();
    auto* items = qobject_cast<QStandardItemModel*>(choice_->model());
    for (const HeadScores& scores : workspace_.scores().all()) {
      choice_->addItem(QString::fromStdString(scores.title), QString::fromStdString(scores.id));
      const int item = choice_->count() - 1;
      const QString foreign = why_not_of(workspace_.model(), scores);
      choice_->setItemData(item, foreign.isEmpty() ? QString::fromStdString(scores.description) : foreign,
                           Qt::ToolTipRole);
      items->item(item)->setEnabled(foreign.isEmpty());
    }
  }
  choose(wanted_);
}

void ScorePanel::show_scores() {
  const HeadScores* shown = scores();
  mark_->set_origin(shown ? shown->origin : std::nullopt);
  if (!shown) {
    grid_->clear();
    list_->set_scores({}, {});
    const bool foreign = choice_->count() > 0;
    choice_->setToolTip({});
    value_->setText(foreign ? tr("All scores are of another model than the open one") : QString());
    return;
  }
  choice_->setToolTip(QString::fromStdString(shown->description));
  const auto& model = workspace_.model();
  const bool grouped = model && model->n_kv_heads > 0 && model->n_heads == shown->n_heads;
  grid_->set_scores(*shown, matching_heads(*shown, filter_), grouped ? model->n_heads / model->n_kv_heads : 1);
  list_->set_scores(*shown, filter_);
  show_selection();
}

void ScorePanel::show_selection() {
  const Selection& selection = workspace_.selection();
  grid_->set_selected(selection.heads(), selection.isolated());
  const auto head = selection.head();
  const int row = head ? list_->row_of(*head) : -1;
  if (row >= 0) {
    table_->selectRow(row);
    table_->scrollTo(list_->index(row, 0));
  } else {
    table_->clearSelection();
  }
  show_value(std::nullopt);
}

void ScorePanel::show_ablated() {
  std::vector<HeadId> heads;
  for (const AblatedHead& head : workspace_.ablation().heads())
    heads.push_back(head.head);
  grid_->set_ablated(std::move(heads));
  grid_->set_planned(workspace_.attention().heads());
  list_->set_ablated(workspace_.ablation().heads());
}

// Shows the value of the head under the pointer, or else of the selected one.
void ScorePanel::show_value(std::optional<HeadId> head) {
  const HeadScores* shown = scores();
  if (!head) head = workspace_.selection().head();
  if (!shown || !head || head->layer >= shown->n_layers || head->head >= shown->n_heads) return value_->clear();
  const float value = shown->at(*head);
  const QString units = shown->units == "1" ? QString() : QLatin1Char(' ') + QString::fromStdString(shown->units);
  QString text = std::isnan(value) ? tr("Head %1: not measured").arg(QString::fromStdString(head_name(*head)))
                                   : tr("Head %1: %2%3")
                                         .arg(QString::fromStdString(head_name(*head)))
                                         .arg(static_cast<double>(value), 0, 'g', 4)
                                         .arg(units);
  if (workspace_.ablation().find(*head)) text += tr(", ablated");
  value_->setText(text);
}

// ---- What can be done with a head

QMenu* ScorePanel::head_menu(HeadId head) {
  auto* menu = new QMenu(this);
  add_head_actions(*menu, workspace_, head);
  menu->addSeparator();
  menu->addAction(tr("Only layer %1").arg(head.layer), this,
                  [this, head] { Q_EMIT layer_wanted(QStringLiteral("%1.").arg(head.layer)); });
  add_kinds(*menu, head);
  menu->addSeparator();
  QAction* copy = menu->addAction(tr("Copy the score as command"), this,
                                  [text = command()] { QGuiApplication::clipboard()->setText(text); });
  copy->setEnabled(!command().isEmpty());
  copy->setToolTip(why_no_command());
  return menu;
}

// A head is of the kinds whose detectors put it at or above their threshold.
void ScorePanel::add_kinds(QMenu& menu, HeadId head) {
  for (const HeadScores& scores : workspace_.scores().all()) {
    if (!scores.threshold || !why_not_of(workspace_.model(), scores).isEmpty()) continue;
    if (head.layer >= scores.n_layers || head.head >= scores.n_heads) continue;
    if (!(static_cast<double>(scores.at(head)) >= *scores.threshold)) continue;
    menu.addAction(tr("Only this kind: %1").arg(QString::fromStdString(scores.title)), this,
                   [this, id = QString::fromStdString(scores.id)] { Q_EMIT kind_wanted(id); });
  }
}

QString ScorePanel::command() const {
  const HeadScores* shown = scores();
  return shown ? QString::fromStdString(shown->command) : QString();
}

QString ScorePanel::why_no_command() const {
  if (!scores()) return tr("No score is shown");
  return command().isEmpty() ? tr("No command line is known that gives these numbers") : QString();
}

void ScorePanel::click(HeadId head, Qt::KeyboardModifiers modifiers) {
  if (modifiers.testFlag(Qt::ControlModifier))
    workspace_.selection().toggle_head(head);
  else
    workspace_.selection().set_head(head);
}

} // namespace headscope::gui
