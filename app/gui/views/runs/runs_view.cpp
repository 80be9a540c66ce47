// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/runs/runs_view.h"

#include <QDir>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSplitter>
#include <QStandardItemModel>
#include <QTabWidget>
#include <QTableView>
#include <QTimer>
#include <QTreeView>
#include <QUrl>
#include <QVBoxLayout>

#include "app/gui/models/run_list_model.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/views/grid/score_figure.h"
#include "app/gui/views/runs/compare_panel.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

constexpr int notes_after_ms = 800; // of a change

void add_rows(QStandardItem& parent, const ProvenanceNode& node) {
  for (const ProvenanceNode& child : node.children) {
    auto* name = new QStandardItem(QString::fromStdString(child.name));
    auto* value = new QStandardItem(QString::fromStdString(child.value));
    value->setToolTip(value->text());
    for (QStandardItem* item : {name, value})
      item->setEditable(false);
    add_rows(*name, child);
    parent.appendRow({name, value});
  }
}

} // namespace

RunsView::RunsView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("runs"), tr("Runs"), parent), runs_(new RunListModel(this)),
      provenance_(new QStandardItemModel(this)), notes_timer_(new QTimer(this)) {
  setAcceptDrops(true);
  auto* splitter = new QSplitter(Qt::Vertical);
  splitter->addWidget(make_list());
  splitter->addWidget(make_details());
  splitter->setSizes({220, 400});
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(4, 4, 4, 4);
  column->addWidget(splitter);
  notes_timer_->setSingleShot(true);
  notes_timer_->setInterval(notes_after_ms);
  connect(notes_timer_, &QTimer::timeout, this, &RunsView::save_notes);
  connect(&workspace, &Workspace::result_changed, this, [this] {
    if (!this->workspace().result()) return;
    shown_.clear();
    set_folder(QFileInfo(QString::fromStdString(this->workspace().result()->path)).absolutePath());
  });
  set_folder(QDir::currentPath());
}

QWidget* RunsView::make_list() {
  folder_label_ = new QLabel;
  folder_label_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  folder_label_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  auto* choose = new QPushButton(tr("Folder…"));
  auto* again = new QPushButton(tr("Refresh"));
  table_ = new QTableView;
  table_->setModel(runs_);
  table_->setSortingEnabled(true);
  table_->sortByColumn(RunListModel::created_column, Qt::DescendingOrder);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setAlternatingRowColors(true);
  table_->verticalHeader()->hide();
  follow_font(*table_, [this] { table_->verticalHeader()->setDefaultSectionSize(table_->fontMetrics().height() + 6); });
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->setAccessibleName(tr("Result files"));
  empty_ = new QLabel;
  empty_->setAlignment(Qt::AlignCenter);
  empty_->setWordWrap(true);
  empty_->setForegroundRole(QPalette::PlaceholderText);
  auto* row = new QHBoxLayout;
  row->addWidget(folder_label_, 1);
  row->addWidget(choose);
  row->addWidget(again);
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(row);
  column->addWidget(table_, 1);
  column->addWidget(empty_, 1);
  connect(choose, &QPushButton::clicked, this, &RunsView::choose_folder);
  connect(again, &QPushButton::clicked, this, &RunsView::refresh);
  connect(table_, &QTableView::doubleClicked, this, [this](const QModelIndex& index) { open_run(index.row()); });
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &RunsView::show_run);
  return box;
}

QWidget* RunsView::make_details() {
  tree_ = new QTreeView;
  tree_->setModel(provenance_);
  tree_->setAlternatingRowColors(true);
  tree_->setAccessibleName(tr("Provenance"));
  notes_ = new QPlainTextEdit;
  notes_->setPlaceholderText(tr("Notes on this run, kept beside the file as NAME.h5.notes.md"));
  notes_->setAccessibleName(tr("Notes"));
  compare_ = new ComparePanel(workspace());
  tabs_ = new QTabWidget;
  tabs_->addTab(tree_, tr("Provenance"));
  tabs_->addTab(notes_, tr("Notes"));
  tabs_->addTab(compare_, tr("Compare"));
  connect(notes_, &QPlainTextEdit::textChanged, this, [this] {
    typed_ = true;
    if (!notes_timer_->isActive()) notes_timer_->start(); // also while more is typed: a kill loses no more than that
  });
  return tabs_;
}

// ---- The list

void RunsView::set_folder(const QString& folder) {
  if (folder == folder_ && listed_) return;
  folder_ = folder;
  folder_label_->setText(folder);
  folder_label_->setToolTip(folder);
  listed_ = false;
  if (watched()) refresh();
}

void RunsView::choose_folder() {
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Folder of result files"), folder_);
  if (!folder.isEmpty()) set_folder(folder);
}

void RunsView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  if (!listed_) refresh();
}

void RunsView::hideEvent(QHideEvent* event) {
  save_notes();
  View::hideEvent(event);
}

void RunsView::refresh() {
  save_notes();
  listed_ = true;
  workspace().files().post<std::vector<RunInfo>>(
      {QStringLiteral("runs"), tr("Listing result files")}, this,
      [folder = folder_.toStdString()](FileState&, const JobContext<std::vector<RunInfo>>& job) {
        return list_runs(folder, job.control);
      },
      {[this](Result<std::vector<RunInfo>> runs) {
        if (runs.ok()) return take(std::move(*runs));
        listed_ = false;
        workspace().report(tr("The folder was not listed"), runs.error());
      }});
}

void RunsView::take(std::vector<RunInfo> runs) {
  std::vector<std::pair<QString, QString>> names;
  for (const RunInfo& run : runs)
    if (run.problem.empty()) names.emplace_back(QString::fromStdString(run.name), QString::fromStdString(run.path));
  const bool any = !runs.empty();
  const std::string wanted = !shown_.empty()        ? shown_
                             : workspace().result() ? workspace().result()->path
                                                    : std::string();
  runs_->set_runs(std::move(runs));
  compare_->set_runs(names);
  if (names.size() > 1 && !compare_->difference()) compare_->choose(names[0].second, names[1].second);
  table_->setVisible(any);
  empty_->setVisible(!any);
  empty_->setText(
      tr("No result file in this folder.\nChoose another one, or make one: headscope survey --model smollm2 "
         "--out survey.h5"));
  table_->resizeColumnsToContents();
  const int widest = fontMetrics().averageCharWidth() * 40;
  if (table_->columnWidth(RunListModel::contents_column) > widest)
    table_->setColumnWidth(RunListModel::contents_column, widest);
  if (any) select_run(std::max(0, runs_->row_of(wanted)));
}

void RunsView::select_run(int row) {
  table_->setCurrentIndex(runs_->index(row, 0));
  show_run();
}

void RunsView::open_run(int row) {
  if (runs_->run(row).problem.empty()) workspace().open_result(QString::fromStdString(runs_->run(row).path));
}

void RunsView::dragEnterEvent(QDragEnterEvent* event) {
  if (event->mimeData()->hasUrls()) event->acceptProposedAction();
}

// Lists a dropped folder; opens a dropped file.
void RunsView::dropEvent(QDropEvent* event) {
  for (const QUrl& url : event->mimeData()->urls()) {
    if (!url.isLocalFile()) continue;
    if (QFileInfo(url.toLocalFile()).isDir())
      set_folder(url.toLocalFile());
    else
      workspace().open_result(url.toLocalFile());
  }
  event->acceptProposedAction();
}

// ---- One run

void RunsView::show_run() {
  const QModelIndex current = table_->currentIndex();
  if (!current.isValid() || current.row() >= runs_->rowCount()) return;
  const RunInfo& run = runs_->run(current.row());
  if (run.path == shown_ && provenance_->rowCount() > 0) return;
  save_notes();
  shown_ = run.path;
  const QSignalBlocker blocker(notes_);
  notes_->setPlainText(QString::fromStdString(run.notes));
  provenance_->clear();
  if (!run.problem.empty())
    return show_provenance({run.name, {}, {{tr("cannot be read").toStdString(), run.problem, {}}}});
  workspace().files().post<ProvenanceNode>(
      {QStringLiteral("provenance"), {}}, this,
      [path = run.path](FileState& state, const JobContext<ProvenanceNode>&) { return read_provenance(state, path); },
      {[this](Result<ProvenanceNode> root) {
        if (root.ok()) return show_provenance(*root);
        workspace().report(tr("The provenance was not read"), root.error());
      }});
}

void RunsView::show_provenance(const ProvenanceNode& root) {
  provenance_->clear();
  provenance_->setHorizontalHeaderLabels({tr("Name"), tr("Value")});
  add_rows(*provenance_->invisibleRootItem(), root);
  tree_->expandToDepth(0);
  tree_->resizeColumnToContents(0);
}

void RunsView::save_notes() {
  notes_timer_->stop();
  if (!std::exchange(typed_, false) || shown_.empty()) return;
  const std::string text = notes_->toPlainText().toStdString();
  if (const int row = runs_->row_of(shown_); row >= 0) runs_->set_notes(row, text);
  workspace().files().post<bool>({{}, tr("Writing notes")}, this,
                                 [path = shown_, text](FileState&, const JobContext<bool>&) -> Result<bool> {
                                   HS_TRY(write_notes(path, text));
                                   return true;
                                 },
                                 {[this](const Result<bool>& written) {
                                   if (!written.ok())
                                     workspace().report(tr("The notes were not written"), written.error());
                                 }});
}

bool RunsView::settled() const { return !notes_timer_->isActive(); }

std::optional<ViewExport> RunsView::exported() const {
  if (!compare_->difference() || compare_->difference()->compared == 0) return std::nullopt;
  return ViewExport{QStringLiteral("difference"), score_figure(compare_->difference()->difference), std::nullopt};
}

View* make_runs_view(Workspace& workspace, QWidget* parent) { return new RunsView(workspace, parent); }

} // namespace headscope::gui
