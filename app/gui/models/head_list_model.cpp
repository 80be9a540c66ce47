// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/head_list_model.h"

#include <algorithm>
#include <cmath>

namespace headscope::gui {

void HeadListModel::set_scores(const HeadScores& scores, const HeadFilter& filter) {
  beginResetModel();
  rows_.clear();
  units_ = scores.units == "1" ? QString() : QString::fromStdString(scores.units);
  const std::vector<bool> wanted = matching_heads(scores, filter);
  std::vector<int> ranks(wanted.size(), 0);
  int rank = 0;
  for (const HeadId head : ranked_heads(scores))
    ranks[static_cast<std::size_t>(head.layer * scores.n_heads + head.head)] = ++rank;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) continue;
    const HeadId head{static_cast<int>(i) / scores.n_heads, static_cast<int>(i) % scores.n_heads};
    const float value = scores.values[i];
    rows_.push_back({head, value, ranks[i], scores.threshold && static_cast<double>(value) >= *scores.threshold});
  }
  sort_rows();
  endResetModel();
}

void HeadListModel::set_ablated(const std::vector<AblatedHead>& heads) {
  ablated_.clear();
  for (const AblatedHead& head : heads)
    ablated_.push_back(head.head);
  if (!rows_.empty())
    Q_EMIT dataChanged(index(0, state_column), index(static_cast<int>(rows_.size()) - 1, state_column));
}

int HeadListModel::row_of(HeadId head) const {
  const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.head == head; });
  return found == rows_.end() ? -1 : static_cast<int>(found - rows_.begin());
}

int HeadListModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int HeadListModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{column_count}; }

QVariant HeadListModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Row& row = rows_[static_cast<std::size_t>(index.row())];
  if (role == Qt::TextAlignmentRole)
    return QVariant::fromValue(Qt::AlignVCenter | (index.column() == state_column ? Qt::AlignLeft : Qt::AlignRight));
  if (role != Qt::DisplayRole) return {};
  switch (index.column()) {
  case head_column: return QString::fromStdString(head_name(row.head));
  case score_column: return std::isnan(row.score) ? tr("not measured") : QString::number(row.score, 'f', 4);
  case rank_column: return row.rank > 0 ? QVariant(row.rank) : QVariant();
  case state_column: {
    QStringList states;
    if (row.above) states.append(tr("above the threshold"));
    if (std::find(ablated_.begin(), ablated_.end(), row.head) != ablated_.end()) states.append(tr("ablated"));
    return states.join(QStringLiteral(", "));
  }
  default: return {};
  }
}

QVariant HeadListModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
  case head_column: return tr("Head");
  case score_column: return units_.isEmpty() ? tr("Score") : tr("Score (%1)").arg(units_);
  case rank_column: return tr("Rank");
  case state_column: return tr("State");
  default: return {};
  }
}

void HeadListModel::sort(int column, Qt::SortOrder order) {
  sort_column_ = column;
  order_ = order;
  Q_EMIT layoutAboutToBeChanged();
  const QModelIndexList before = persistentIndexList();
  std::vector<HeadId> heads;
  for (const QModelIndex& index : before)
    heads.push_back(head_at(index.row()));
  sort_rows();
  QModelIndexList after;
  for (int i = 0; i < before.size(); ++i)
    after.append(index(row_of(heads[static_cast<std::size_t>(i)]), before[i].column()));
  changePersistentIndexList(before, after);
  Q_EMIT layoutChanged();
}

// Sorts rows; heads that were not measured come last in either order.
void HeadListModel::sort_rows() {
  const bool up = order_ == Qt::AscendingOrder;
  std::stable_sort(rows_.begin(), rows_.end(), [&](const Row& a, const Row& b) {
    if (sort_column_ != head_column && (a.rank == 0) != (b.rank == 0)) return b.rank == 0;
    const Row &x = up ? a : b, &y = up ? b : a;
    switch (sort_column_) {
    case score_column: return a.rank != 0 && x.score < y.score;
    case rank_column: return a.rank != 0 && x.rank < y.rank;
    case state_column: return x.above < y.above;
    default: return x.head < y.head;
    }
  });
}

} // namespace headscope::gui
