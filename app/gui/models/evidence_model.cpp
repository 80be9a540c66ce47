// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/evidence_model.h"

#include <algorithm>
#include <cmath>

namespace headscope::gui {
namespace {

const store::Column* column(const store::Table& table, const std::string& name) {
  for (const store::Column& each : table.columns)
    if (each.name == name) return &each;
  return nullptr;
}

const std::vector<std::int64_t>* integers(const store::Table& table, const std::string& name) {
  const store::Column* found = column(table, name);
  return found ? std::get_if<std::vector<std::int64_t>>(&found->values) : nullptr;
}

std::string cell(const store::Column& column, std::size_t row) {
  return std::visit(
      [&](const auto& values) -> std::string {
        using Value = typename std::decay_t<decltype(values)>::value_type;
        if (row >= values.size()) return {};
        if constexpr (std::is_same_v<Value, std::string>)
          return values[row];
        else if constexpr (std::is_same_v<Value, double>)
          return QString::number(values[row], 'g', 4).toStdString();
        else
          return std::to_string(values[row]);
      },
      column.values);
}

int length_of(const DetectorResult& result, const std::string& prompt) {
  for (const store::Prompt& each : result.prompts)
    if (each.id == prompt) return static_cast<int>(each.token_ids.size());
  return 0;
}

// Whether a column says where the evidence is; the others say what it is.
bool is_place(const std::string& name) {
  return name == "layer" || name == "head" || name == "run" || name == "text" || name == "key" || name == "position" ||
         name == "query";
}

void add_table(const std::string& detector, const DetectorResult& result, const DetectorResult::NamedTable& named,
               HeadId head, std::vector<EvidenceRow>& rows) {
  const store::Table& table = named.table;
  const auto *layers = integers(table, "layer"), *heads = integers(table, "head");
  if (!layers || !heads) return;
  const std::vector<std::int64_t>* index = nullptr;
  for (const char* name : {"run", "text", "prompt"})
    if (!index) index = integers(table, name);
  const std::vector<std::int64_t>* keys = integers(table, "key");
  if (!keys) keys = integers(table, "position");
  const auto* steps = integers(table, "step");
  for (std::size_t i = 0; i < std::min(layers->size(), heads->size()); ++i) {
    if ((*layers)[i] != head.layer || (*heads)[i] != head.head) continue;
    EvidenceRow row;
    if (index) row.prompt = detector + "-" + std::to_string((*index)[i]);
    if (keys) row.key = static_cast<int>((*keys)[i]);
    // Step s is decoded from the token before it: the prompt's last one, then the generated ones.
    if (const int length = length_of(result, row.prompt); length > 0)
      row.query = length - 1 + (steps ? static_cast<int>((*steps)[i]) : 0);
    for (const store::Column& each : table.columns) {
      if (is_place(each.name)) continue;
      row.what += (row.what.empty() ? "" : ", ") + each.name + " " + cell(each, i);
    }
    rows.push_back(std::move(row));
  }
}

// A row where the detector keeps none: the middle of the stripe that the score averages, or a sink's last query.
std::optional<EvidenceRow> standard_row(const std::string& detector, const store::Prompt& prompt) {
  const int length = static_cast<int>(prompt.token_ids.size()), half = length / 2;
  EvidenceRow row{prompt.id, std::nullopt, std::nullopt, {}};
  const int query = half + half / 2;
  if (detector == "induction") {
    row.query = query;
    row.key = query - half + 1;
    row.what = "the token after the first occurrence";
  } else if (detector == "duplicate") {
    row.query = query;
    row.key = query - half;
    row.what = "the first occurrence";
  } else if (detector == "previous") {
    row.query = query;
    row.key = query - 1;
    row.what = "the token before";
  } else if (detector == "sink") {
    row.query = length - 1;
    row.key = 0;
    row.what = "the first token";
  } else {
    return std::nullopt;
  }
  if (length < 4) return std::nullopt;
  return row;
}

} // namespace

std::vector<EvidenceRow> evidence_of(const std::string& detector, const DetectorResult& result, HeadId head) {
  std::vector<EvidenceRow> rows;
  for (const DetectorResult::NamedTable& table : result.tables)
    add_table(detector, result, table, head, rows);
  for (const store::Prompt& prompt : result.prompts)
    if (auto row = standard_row(detector, prompt)) rows.push_back(std::move(*row));
  return rows;
}

void EvidenceModel::set_rows(std::vector<EvidenceRow> rows) {
  beginResetModel();
  rows_ = std::move(rows);
  endResetModel();
}

int EvidenceModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int EvidenceModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{column_count}; }

QVariant EvidenceModel::data(const QModelIndex& index, int role) const {
  if (role != Qt::DisplayRole || !checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const EvidenceRow& row = rows_[static_cast<std::size_t>(index.row())];
  switch (index.column()) {
  case prompt_column: return QString::fromStdString(row.prompt);
  case query_column: return row.query ? QVariant(*row.query) : QVariant();
  case key_column: return row.key ? QVariant(*row.key) : QVariant();
  case what_column: return QString::fromStdString(row.what);
  default: return {};
  }
}

QVariant EvidenceModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
  case prompt_column: return tr("Prompt");
  case query_column: return tr("Query");
  case key_column: return tr("Key");
  case what_column: return tr("Evidence");
  default: return {};
  }
}

} // namespace headscope::gui
