// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/run_list_model.h"

#include <algorithm>

namespace headscope::gui {

void RunListModel::set_runs(std::vector<RunInfo> runs) {
  beginResetModel();
  runs_ = std::move(runs);
  endResetModel();
}

int RunListModel::row_of(const std::string& path) const {
  const auto found = std::find_if(runs_.begin(), runs_.end(), [&](const RunInfo& run) { return run.path == path; });
  return found == runs_.end() ? -1 : static_cast<int>(found - runs_.begin());
}

void RunListModel::set_notes(int row, const std::string& text) {
  runs_[static_cast<std::size_t>(row)].notes = text;
  Q_EMIT dataChanged(index(row, notes_column), index(row, notes_column));
}

int RunListModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(runs_.size());
}

int RunListModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{column_count}; }

QString RunListModel::text(const RunInfo& run, int column) const {
  switch (column) {
  case name_column: return QString::fromStdString(run.name);
  case created_column: return QString::fromStdString(run.created).replace(u'T', u' ').remove(u'Z');
  case model_column: return QString::fromStdString(run.model);
  case contents_column:
    return run.problem.empty() ? QString::fromStdString(run.contents)
                               : tr("cannot be read: %1").arg(QString::fromStdString(run.problem));
  case complete_column: return run.problem.empty() ? (run.complete ? tr("yes") : tr("interrupted")) : QString();
  case notes_column: return QString::fromStdString(run.notes).section(u'\n', 0, 0);
  default: return {};
  }
}

QVariant RunListModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const RunInfo& each = runs_[static_cast<std::size_t>(index.row())];
  if (role == Qt::DisplayRole) return text(each, index.column());
  if (role == Qt::ToolTipRole)
    return index.column() == notes_column  ? QString::fromStdString(each.notes)
           : index.column() == name_column ? QString::fromStdString(each.path)
                                           : text(each, index.column());
  return {};
}

QVariant RunListModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
  case name_column: return tr("Name");
  case created_column: return tr("Created (UTC)");
  case model_column: return tr("Model");
  case contents_column: return tr("Holds");
  case complete_column: return tr("Complete");
  case notes_column: return tr("Notes");
  default: return {};
  }
}

void RunListModel::sort(int column, Qt::SortOrder order) {
  Q_EMIT layoutAboutToBeChanged();
  const QModelIndexList before = persistentIndexList();
  std::vector<std::string> paths;
  for (const QModelIndex& index : before)
    paths.push_back(run(index.row()).path);
  std::stable_sort(runs_.begin(), runs_.end(), [&](const RunInfo& a, const RunInfo& b) {
    const int compared = QString::localeAwareCompare(text(a, column), text(b, column));
    return order == Qt::AscendingOrder ? compared < 0 : compared > 0;
  });
  QModelIndexList after;
  for (int i = 0; i < before.size(); ++i)
    after.append(index(row_of(paths[static_cast<std::size_t>(i)]), before[i].column()));
  changePersistentIndexList(before, after);
  Q_EMIT layoutChanged();
}

} // namespace headscope::gui
