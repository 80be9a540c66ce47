// SPDX-License-Identifier: GPL-3.0-or-later
// The heads of one score as a table that can be sorted by any column.
#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "app/gui/models/head_filter.h"

namespace headscope::gui {

class HeadListModel : public QAbstractTableModel {
  Q_OBJECT
public:
  enum Column { head_column, score_column, rank_column, state_column, column_count };

  using QAbstractTableModel::QAbstractTableModel;

  void set_scores(const HeadScores& scores, const HeadFilter& filter);
  void set_ablated(const std::vector<AblatedHead>& heads);
  HeadId head_at(int row) const { return rows_[static_cast<std::size_t>(row)].head; }
  int row_of(HeadId head) const; // -1: it is not listed

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  void sort(int column, Qt::SortOrder order) override;

private:
  struct Row {
    HeadId head;
    float score = 0.0F;
    int rank = 0; // from 1; 0: not measured
    bool above = false;
  };
  void sort_rows();

  std::vector<Row> rows_;
  std::vector<HeadId> ablated_;
  QString units_;
  int sort_column_ = rank_column;
  Qt::SortOrder order_ = Qt::AscendingOrder;
};

} // namespace headscope::gui
