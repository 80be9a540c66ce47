// SPDX-License-Identifier: GPL-3.0-or-later
// The result files of a folder as a table that can be sorted.
#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "app/gui/files/run_list.h"

namespace headscope::gui {

class RunListModel : public QAbstractTableModel {
  Q_OBJECT
public:
  enum Column {
    name_column,
    created_column,
    model_column,
    contents_column,
    complete_column,
    notes_column,
    column_count
  };

  using QAbstractTableModel::QAbstractTableModel;

  void set_runs(std::vector<RunInfo> runs);
  const RunInfo& run(int row) const { return runs_[static_cast<std::size_t>(row)]; }
  int row_of(const std::string& path) const; // -1: it is not listed
  void set_notes(int row, const std::string& text);

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  void sort(int column, Qt::SortOrder order) override;

private:
  QString text(const RunInfo& run, int column) const;
  std::vector<RunInfo> runs_;
};

} // namespace headscope::gui
