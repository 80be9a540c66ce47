// SPDX-License-Identifier: GPL-3.0-or-later
// The evidence behind one head's score: rows, each a place in a prompt.
#pragma once

#include <optional>
#include <vector>

#include <QAbstractTableModel>

#include "app/gui/engine/values.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::gui {

struct EvidenceRow {
  std::string prompt; // its id
  std::optional<int> query, key;
  std::string what; // in words
};

// The rows of tables that name the head, the most informative table first. Where a detector keeps none (stripes of
// repeated tokens, sinks), one row per prompt with the place that the score is about.
std::vector<EvidenceRow> evidence_of(const std::string& detector, const DetectorResult& result, HeadId head);

class EvidenceModel : public QAbstractTableModel {
  Q_OBJECT
public:
  enum Column { prompt_column, query_column, key_column, what_column, column_count };

  using QAbstractTableModel::QAbstractTableModel;
  void set_rows(std::vector<EvidenceRow> rows);
  const EvidenceRow& row(int index) const { return rows_[static_cast<std::size_t>(index)]; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
  std::vector<EvidenceRow> rows_;
};

} // namespace headscope::gui
