// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/parts/common.h"

#include <algorithm>
#include <cmath>

namespace headscope::parts {
namespace {

// The most numbers that are exported: larger text files and pictures are useless, and the result file itself can be
// read in pieces.
constexpr std::int64_t most_numbers = std::int64_t{1} << 24;

} // namespace

std::string model_name(const store::ResultReader& reader) {
  const auto model = reader.model();
  return model.ok() ? store::text_attribute(*model, "name") : std::string();
}

std::string joined(std::initializer_list<std::string> texts) {
  std::string text;
  for (const std::string& each : texts)
    if (!each.empty()) text += (text.empty() ? "" : ", ") + each;
  return text;
}

std::string counted(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string shown_units(const std::string& units) { return units == "1" ? std::string() : units; }

figures::HeatmapFigure head_map(std::int64_t n_layers, std::int64_t n_heads, std::vector<float> values) {
  figures::HeatmapFigure map;
  map.rows = n_layers;
  map.cols = n_heads;
  map.x_axis = "head";
  map.y_axis = "layer";
  map.values = std::move(values);
  map.square_cells = false;
  map.annotate_values = true;
  return map;
}

std::vector<float> floats(std::span<const double> values) { return {values.begin(), values.end()}; }

double mean(std::span<const double> values) {
  double sum = 0.0, count = 0.0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    count += 1.0;
  }
  return count > 0.0 ? sum / count : NAN;
}

double standard_error(std::span<const double> values) {
  const double middle = mean(values);
  double squares = 0.0, count = 0.0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    squares += (value - middle) * (value - middle);
    count += 1.0;
  }
  return count < 2.0 ? 0.0 : std::sqrt(squares / (count - 1.0) / count);
}

Result<ResultItems> items_by_name(const ResultPart& part, const store::ResultReader& reader,
                                  const std::string& prefix) {
  HS_ASSIGN(const auto names, reader.list(part.group));
  ResultItems items;
  for (const std::string& name : names)
    items.push_back({&part, name, 0, name == prefix ? name : prefix + "-" + name});
  return items;
}

Result<std::vector<MethodFolder>> method_folders(const ResultPart& part, const store::ResultReader& reader,
                                                 const std::string& dataset, const std::string& prefix) {
  std::vector<MethodFolder> folders;
  const std::string group = part.group;
  HS_ASSIGN(const auto names, reader.list(group));
  for (const std::string& name : names)
    if (reader.exists(group + "/" + name + "/" + dataset)) folders.push_back({group + "/" + name, prefix + "-" + name});
  if (folders.empty() && reader.exists(group + "/" + dataset)) folders.push_back({group, prefix});
  return folders;
}

Result<store::Array> array_of(const store::ResultReader& reader, const std::string& path, std::size_t axes) {
  HS_ASSIGN(store::Array array, reader.array(path));
  if (array.spec.shape.size() != axes)
    return make_error(
        ErrorCode::corrupt,
        "has " + std::to_string(array.spec.shape.size()) + " axes where " + std::to_string(axes) + " belong", {}, path);
  if (array.values.empty()) return make_error(ErrorCode::unsupported, "has no numbers to export", {}, path);
  if (std::ssize(array.values) > most_numbers)
    return make_error(ErrorCode::unsupported,
                      "has " + std::to_string(array.values.size()) +
                          " numbers, too many to export; read them from the file itself (docs/file-format.md)",
                      {}, path);
  return array;
}

Status check_shape(const store::Array& array, const std::vector<std::int64_t>& shape, const std::string& path) {
  if (array.spec.shape == shape) return {};
  return make_error(ErrorCode::corrupt, "has another shape than what stands beside it", {}, path);
}

std::string label_of(const store::Array& array, std::size_t axis, std::int64_t at) {
  if (axis >= array.spec.axes.size()) return std::to_string(at);
  const std::vector<std::string>& labels = array.spec.axes[axis].labels;
  return at < std::ssize(labels) ? labels[static_cast<std::size_t>(at)] : std::to_string(at);
}

std::vector<std::string> labels_of(const store::Array& array, std::size_t axis) {
  std::vector<std::string> labels;
  for (std::int64_t i = 0; i < array.spec.shape[axis]; ++i)
    labels.push_back(label_of(array, axis, i));
  return labels;
}

std::span<const double> row_of(const store::Array& array, std::int64_t at) {
  const std::size_t size = array.values.size() / static_cast<std::size_t>(array.spec.shape[0]);
  return std::span(array.values).subspan(static_cast<std::size_t>(at) * size, size);
}

std::vector<double> column_of(const store::Array& array, std::int64_t at) {
  std::vector<double> column;
  for (std::int64_t row = 0; row < array.spec.shape[0]; ++row)
    column.push_back(row_of(array, row)[static_cast<std::size_t>(at)]);
  return column;
}

NumberArray numbers(const store::Array& array) { return {array.spec.shape, floats(array.values)}; }

figures::Records records_of(const store::Table& table) {
  figures::Records records;
  for (const store::Column& column : table.columns) {
    if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values))
      records.add(column.name, *texts);
    else if (const auto* whole = std::get_if<std::vector<std::int64_t>>(&column.values))
      records.add(column.name, std::vector<double>(whole->begin(), whole->end()));
    else
      records.add(column.name, std::get<std::vector<double>>(column.values));
  }
  return records;
}

void add_rows(figures::Records& records, const store::Array& array, const std::string& mean_name) {
  std::vector<double> means;
  for (std::int64_t row = 0; row < array.spec.shape[0]; ++row)
    means.push_back(mean(row_of(array, row)));
  records.add(mean_name, std::move(means));
  const std::string axis = array.spec.axes[1].name;
  for (std::int64_t at = 0; at < array.spec.shape[1]; ++at) {
    const std::string label = label_of(array, 1, at);
    records.add(label == std::to_string(at) ? axis + "_" + label : label, column_of(array, at));
  }
}

} // namespace headscope::parts
