// SPDX-License-Identifier: GPL-3.0-or-later
// The texts that a target responds to most: its values along them, the texts, and the distribution of its values.
#include "app/figures/restyle.h"
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

const std::string quantiles = "/quantiles";

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto names, reader.list(self.group));
  for (const std::string& name : names) {
    const std::string path = std::string(self.group) + "/" + name;
    items.push_back({&self, path, 0, "examples-" + name});
    if (reader.exists(path + quantiles))
      items.push_back({&self, path + quantiles, 0, "examples-" + name + "-quantiles"});
  }
  return items;
}

const store::Column* find(const store::Table& table, const std::string& name) {
  for (const store::Column& column : table.columns)
    if (column.name == name) return &column;
  return nullptr;
}

Result<ResultFigure> quantiles_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Table table, reader.table(item.path));
  const store::Column *share = find(table, "quantile"), *value = find(table, "value");
  const auto* x = share ? std::get_if<std::vector<double>>(&share->values) : nullptr;
  const auto* y = value ? std::get_if<std::vector<double>>(&value->values) : nullptr;
  if (x == nullptr || y == nullptr || x->size() != y->size())
    return make_error(ErrorCode::corrupt, "must have the columns quantile and value", {}, item.path);
  figures::LineFigure lines;
  lines.title = "How the values are spread";
  lines.subtitle = joined({model_name(reader), item.name});
  lines.x_axis = "share of the values below";
  lines.y_axis = "value";
  lines.series.push_back({"", *x, *y, {}, {}});
  return ResultFigure{.name = item.name, .figure = std::move(lines), .table = records_of(table)};
}

Result<ResultFigure> texts_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Attributes attributes, reader.attributes(item.path));
  HS_ASSIGN(const store::Table table, reader.table(item.path + "/texts"));
  HS_ASSIGN(const store::Array values, array_of(reader, item.path + "/values", 2));
  figures::HeatmapFigure map = head_map(values.spec.shape[0], values.spec.shape[1], floats(values.values));
  map.title = "Texts with the largest values of " + store::text_attribute(attributes, "target");
  map.subtitle =
      joined({model_name(reader), "a row a text; the names are those of the tokens with the largest values"});
  map.y_axis = "text";
  map.x_axis = "position";
  map.annotate_values = false;
  if (const store::Column* tokens = find(table, "token"))
    if (const auto* names = std::get_if<std::vector<std::string>>(&tokens->values);
        names != nullptr && std::ssize(*names) == map.rows)
      map.y_ticks = *names;
  map.scale.label = "value";
  map.scale.units = shown_units(values.spec.units);
  figures::scale_by_sign(map);
  return ResultFigure{
      .name = item.name, .figure = std::move(map), .table = records_of(table), .array = numbers(values)};
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  return item.path.ends_with(quantiles) ? quantiles_figure(reader, item) : texts_figure(reader, item);
}

} // namespace

extern const ResultPart examples_part;
const ResultPart examples_part = {"examples", "texts with the largest values", "/examples", list, figure};

} // namespace headscope
