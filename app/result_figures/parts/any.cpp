// SPDX-License-Identifier: GPL-3.0-or-later
// Arrays and tables of which no more is known than the file says.
#include <numeric>

#include "app/figures/restyle.h"
#include "app/result_figures/parts/common.h"

namespace headscope::parts {
namespace {

using figures::Records;

constexpr std::size_t most_points = 100000;                // of a line
constexpr std::size_t most_records = std::size_t{1} << 22; // a row a number is much larger than the number

std::string axis_name(const store::Array& array, std::size_t axis) {
  const std::string name = axis < array.spec.axes.size() ? array.spec.axes[axis].name : std::string();
  return name.empty() ? "axis_" + std::to_string(axis) : name;
}

// Ticks of an axis with labels; numbers need none.
std::vector<std::string> ticks_of(const store::Array& array, std::size_t axis) {
  const bool labelled = axis < array.spec.axes.size() && !array.spec.axes[axis].labels.empty();
  return labelled ? labels_of(array, axis) : std::vector<std::string>();
}

figures::HeatmapFigure map_of(const store::Array& array) {
  figures::HeatmapFigure map = head_map(array.spec.shape[0], array.spec.shape[1], floats(array.values));
  map.y_axis = axis_name(array, 0);
  map.x_axis = axis_name(array, 1);
  map.y_ticks = ticks_of(array, 0);
  map.x_ticks = ticks_of(array, 1);
  figures::scale_by_sign(map);
  return map;
}

figures::LineFigure line_of(const store::Array& array) {
  figures::LineFigure figure;
  figure.x_axis = axis_name(array, 0);
  figure.y_axis = shown_units(array.spec.units);
  figure.series.push_back({"", {}, array.values, {}, {}});
  return figure;
}

// One record per number: its place on every axis, with labels where the axis has them, and the number.
Records records_of_array(const store::Array& array) {
  const std::size_t axes = array.spec.shape.size();
  std::vector<std::vector<double>> places(axes);
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    for (std::size_t axis = axes; axis-- > 0; rest /= array.spec.shape[axis])
      places[axis].push_back(static_cast<double>(rest % array.spec.shape[axis]));
  }
  Records records;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    std::vector<std::string> labels;
    const std::vector<std::string> names = ticks_of(array, axis);
    for (const double place : places[axis])
      if (!names.empty()) labels.push_back(names[static_cast<std::size_t>(place)]);
    records.add(axis_name(array, axis), std::move(places[axis]));
    if (!names.empty()) records.add(axis_name(array, axis) + "_label", std::move(labels));
  }
  return records.add("value", array.values);
}

Result<ResultFigure> array_figure(const store::ResultReader& reader, const std::string& path, const std::string& name) {
  HS_ASSIGN(const store::Array shape, reader.array(path));
  HS_ASSIGN(const store::Array array, array_of(reader, path, shape.spec.shape.size()));
  ResultFigure out{.name = name, .figure = std::nullopt};
  if (array.spec.shape.size() == 1 && array.values.size() <= most_points) out.figure = line_of(array);
  if (array.spec.shape.size() == 2) {
    figures::HeatmapFigure map = map_of(array);
    map.scale.label = path.substr(path.find_last_of('/') + 1);
    map.scale.units = shown_units(array.spec.units);
    out.figure = std::move(map);
  } else if (array.values.size() <= most_records) {
    out.table = records_of_array(array);
  }
  if (out.figure)
    std::visit(
        [&](auto& figure) {
          figure.title = array.spec.long_name.empty() ? path : array.spec.long_name;
          figure.subtitle = joined({model_name(reader), path});
        },
        *out.figure);
  out.array = numbers(array);
  return out;
}

bool is_table(const store::Attributes& attributes) { return store::text_attribute(attributes, "kind") == "table"; }

// Adds everything under `node`, which is at `path`.
void add_under(const store::Node& node, const std::string& path, const std::string& prefix, const ResultPart& part,
               const SkipPath& skip, ResultItems& items) {
  for (const store::Node& child : node.children) {
    const std::string at = path + "/" + child.name, name = prefix.empty() ? child.name : prefix + "-" + child.name;
    if (skip(at)) continue;
    if (child.is_group && !is_table(child.attributes))
      add_under(child, at, name, part, skip, items);
    else if (child.is_group || (child.dtype != store::DType::string && child.dtype != store::DType::other))
      items.push_back({&part, at, 0, name});
  }
}

const store::Node* node_at(const store::Node& root, std::string_view path) {
  const store::Node* node = &root;
  while (!path.empty() && node != nullptr) {
    path.remove_prefix(1); // of '/'
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(name.size());
    const store::Node* found = nullptr;
    for (const store::Node& child : node->children)
      if (child.name == name) found = &child;
    node = found;
  }
  return node;
}

} // namespace

Result<ResultFigure> any_figure(const store::ResultReader& reader, const ResultItem& item) {
  const std::string &path = item.path, &name = item.name;
  if (const auto attributes = reader.attributes(path); !attributes.ok() || !is_table(*attributes))
    return array_figure(reader, path, name);
  HS_ASSIGN(const store::Table table, reader.table(path));
  return ResultFigure{.name = name, .figure = std::nullopt, .table = records_of(table)};
}

Result<ResultItems> items_under(const ResultPart& part, const store::ResultReader& reader, const std::string& group,
                                const std::string& prefix, const SkipPath& skip) {
  ResultItems items;
  HS_ASSIGN(const store::Node root, reader.tree());
  if (const store::Node* node = node_at(root, group)) add_under(*node, group, prefix, part, skip, items);
  return items;
}

} // namespace headscope::parts
