// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/table.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <nlohmann/json.hpp>
#include <utf8proc.h>

#include "app/figures/files.h"
#include "app/figures/scene.h"
#include "core/base/npy_header.h"

namespace headscope::figures {

namespace {

static_assert(std::numeric_limits<float>::is_iec559 && sizeof(float) == 4);

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  auto left = static_cast<utf8proc_ssize_t>(bytes.size());
  while (left > 0) {
    utf8proc_int32_t code_point = -1;
    const auto size = utf8proc_iterate(data, left, &code_point);
    if (size < 1)
      text += "\xEF\xBF\xBD";
    else
      text.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    data += size < 1 ? 1 : size;
    left -= size < 1 ? 1 : size;
  }
  return text;
}

std::string csv_field(std::string_view field) {
  const std::string text = valid_utf8(field);
  const bool plain = text.find_first_of(",\"\r\n") == std::string::npos && !text.empty() && text.front() != ' ' &&
                     text.back() != ' ' && text.front() != '\t' && text.back() != '\t';
  if (plain) return text;
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

std::string number(double value) {
  if (std::isnan(value)) return {};
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

Status write_sidecar(const std::string& path, const Provenance& provenance, bool overwrite) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [key, value] : provenance.entries)
    object[valid_utf8(key)] = valid_utf8(value);
  return write_atomically(path + ".json", object.dump(2) + "\n", overwrite);
}

// Writes the sidecar first: once the data file is there, the pair is complete.
Status write_pair(const std::string& path, std::string_view bytes, const Provenance& provenance, bool overwrite) {
  HS_TRY(check_writable(path, overwrite));
  HS_TRY(check_writable(path + ".json", overwrite));
  HS_TRY(write_sidecar(path, provenance, overwrite));
  return write_atomically(path, bytes, overwrite);
}

Error bad_table(const std::string& path, const std::string& message, const std::string& field) {
  return make_error(ErrorCode::invalid_argument, message, path, field);
}

Status check_table(const std::string& path, const Table& table, std::size_t& rows) {
  const std::size_t cols = table.columns.size();
  if (cols == 0) return bad_table(path, "a table needs at least one column", "columns");
  if (table.values.size() % cols != 0) return bad_table(path, "the values do not fill whole rows", "values");
  rows = table.values.size() / cols;
  if (!table.row_labels.empty() && table.row_labels.size() != rows) {
    return bad_table(path,
                     std::to_string(rows) + " rows but " + std::to_string(table.row_labels.size()) + " row labels",
                     "row_labels");
  }
  return {};
}

Status check_records(const std::string& path, const Records& records) {
  if (records.columns.empty()) return bad_table(path, "a table needs at least one column", "columns");
  for (const RecordColumn& column : records.columns)
    if (std::visit([](const auto& values) { return values.size(); }, column.values) != records.rows())
      return bad_table(path, "the columns are of unequal lengths", column.name);
  return {};
}

// The column's name: "query" for an axis "query token".
std::string axis_column(const std::string& axis, const char* fallback) {
  const std::string_view suffix = " token";
  std::string name = axis.empty() ? fallback : axis;
  if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  return name;
}

// The columns of an axis: its numbers and, where it has them, its labels.
struct AxisColumns {
  std::string name, label_name;
  std::vector<double> numbers;
  std::vector<std::string> labels;

  AxisColumns(const std::string& axis, const char* fallback)
      : name(axis_column(axis, fallback)), label_name(name + (name == axis ? "_label" : "_token")) {}
  void add(std::int64_t at, const std::vector<std::string>& names) {
    numbers.push_back(static_cast<double>(at));
    if (!names.empty()) labels.push_back(names[static_cast<std::size_t>(at)]);
  }
  void put_into(Records& records) {
    const bool labelled = !labels.empty();
    records.add(name, std::move(numbers));
    if (labelled) records.add(label_name, std::move(labels));
  }
};

std::string name_or_index(const std::vector<std::string>& names, std::int64_t at) {
  return names.empty() ? std::to_string(at) : names[static_cast<std::size_t>(at)];
}

} // namespace

Status write_csv(const std::string& path, const Table& table, const Provenance& provenance,
                 const WriteOptions& options) {
  std::size_t rows = 0;
  HS_TRY(check_table(path, table, rows));
  const bool labelled = !table.row_labels.empty();
  std::string text = labelled ? csv_field(table.row_header) : "";
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (c > 0 || labelled) text += ',';
    text += csv_field(table.columns[c]);
  }
  text += "\r\n";
  for (std::size_t r = 0; r < rows; ++r) {
    if (labelled) text += csv_field(table.row_labels[r]);
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (c > 0 || labelled) text += ',';
      // An empty line would not be a record.
      const std::string field = number(table.values[r * table.columns.size() + c]);
      text += field.empty() && table.columns.size() == 1 && !labelled ? "\"\"" : field;
    }
    text += "\r\n";
  }
  return write_pair(path, text, provenance, options.overwrite);
}

std::size_t Records::rows() const {
  if (columns.empty()) return 0;
  return std::visit([](const auto& values) { return values.size(); }, columns.front().values);
}

Records& Records::add(std::string name, std::vector<double> values) {
  columns.push_back({std::move(name), std::move(values)});
  return *this;
}

Records& Records::add(std::string name, std::vector<std::string> texts) {
  columns.push_back({std::move(name), std::move(texts)});
  return *this;
}

Status write_csv(const std::string& path, const Records& records, const Provenance& provenance,
                 const WriteOptions& options) {
  HS_TRY(check_records(path, records));
  std::string text;
  for (std::size_t c = 0; c < records.columns.size(); ++c)
    text += (c > 0 ? "," : "") + csv_field(records.columns[c].name);
  text += "\r\n";
  const std::size_t rows = records.rows();
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t c = 0; c < records.columns.size(); ++c) {
      if (c > 0) text += ',';
      const auto& values = records.columns[c].values;
      if (const auto* numbers = std::get_if<std::vector<double>>(&values))
        text += number((*numbers)[row]);
      else
        text += csv_field(std::get<std::vector<std::string>>(values)[row]);
    }
    text += "\r\n";
  }
  return write_pair(path, text, provenance, options.overwrite);
}

Status write_npy(const std::string& path, const Records& records, const Provenance& provenance,
                 const WriteOptions& options) {
  HS_TRY(check_records(path, records));
  std::vector<const std::vector<double>*> columns;
  std::string names;
  for (const RecordColumn& column : records.columns) {
    const auto* numbers = std::get_if<std::vector<double>>(&column.values);
    if (numbers == nullptr) continue;
    columns.push_back(numbers);
    names += (names.empty() ? "" : ",") + column.name;
  }
  if (columns.empty()) return make_error(ErrorCode::unsupported, "holds texts alone; a CSV has room for them", path);
  std::vector<float> values;
  for (std::size_t row = 0; row < records.rows(); ++row)
    for (const std::vector<double>* column : columns)
      values.push_back(static_cast<float>((*column)[row]));
  Provenance with_names = provenance;
  with_names.add("columns", names);
  return write_npy(path, {static_cast<std::int64_t>(records.rows()), std::ssize(columns)}, values, with_names, options);
}

Status write_npy(const std::string& path, const std::vector<std::int64_t>& shape, std::span<const float> data,
                 const Provenance& provenance, const WriteOptions& options) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) {
      return bad_table(path, "a size is negative or the product of sizes too large", "shape");
    }
  }
  if (count != static_cast<std::int64_t>(data.size())) {
    return bad_table(path,
                     "the shape holds " + std::to_string(count) + " values, given are " + std::to_string(data.size()),
                     "shape");
  }
  std::string bytes = npy_header("<f4", shape);
  const std::size_t start = bytes.size();
  bytes.resize(start + data.size_bytes());
  if (!data.empty()) std::memcpy(bytes.data() + start, data.data(), data.size_bytes());
  return write_pair(path, bytes, provenance, options.overwrite);
}

Result<Table> to_table(const HeatmapFigure& figure) {
  HS_TRY(check_map(figure));
  Table table;
  table.row_header = figure.y_axis.empty() ? "row" : figure.y_axis;
  for (std::int64_t c = 0; c < figure.cols; ++c)
    table.columns.push_back(name_or_index(figure.x_ticks, c));
  for (std::int64_t r = 0; r < figure.rows; ++r)
    table.row_labels.push_back(name_or_index(figure.y_ticks, r));
  table.values.assign(figure.values.begin(), figure.values.end());
  if (!figure.causal_mask) return table;
  const std::int64_t offset = figure.cols - figure.rows;
  for (std::int64_t r = 0; r < figure.rows; ++r) {
    for (std::int64_t c = r + offset + 1; c < figure.cols; ++c) {
      table.values[static_cast<std::size_t>(r * figure.cols + c)] = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return table;
}

Result<Records> to_records(const HeatmapFigure& figure, const std::string& value) {
  HS_TRY(check_map(figure));
  AxisColumns rows(figure.y_axis, "row"), cols(figure.x_axis, "column");
  std::vector<double> values;
  for (std::int64_t r = 0; r < figure.rows; ++r)
    for (std::int64_t c = 0; c < figure.cols; ++c) {
      if (masked(figure, r, c)) continue;
      rows.add(r, figure.y_ticks);
      cols.add(c, figure.x_ticks);
      values.push_back(figure.values[static_cast<std::size_t>(r * figure.cols + c)]);
    }
  Records records;
  rows.put_into(records);
  cols.put_into(records);
  records.add(value, std::move(values));
  return records;
}

} // namespace headscope::figures
