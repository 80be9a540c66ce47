// SPDX-License-Identifier: GPL-3.0-or-later
// Steering with a vector at several strengths: the metric by strength, the vector itself, and what the model wrote.
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

const std::string group = "/steering", metric_path = "/steering/metric";

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  if (reader.exists(metric_path)) items.push_back({&self, metric_path, 0, "steering"});
  for (const char* name : {"vector", "texts"})
    if (reader.exists(group + "/" + name))
      items.push_back({&self, group + "/" + name, 0, std::string("steering-") + name});
  return items;
}

Result<ResultFigure> metric_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Attributes attributes, reader.attributes(group));
  HS_ASSIGN(const store::Array values, array_of(reader, metric_path, 2));
  HS_ASSIGN(const store::Array strengths, array_of(reader, group + "/coefficients", 1));
  HS_TRY(check_shape(strengths, {values.spec.shape[0]}, group + "/coefficients"));
  HS_ASSIGN(const store::Array clean, array_of(reader, group + "/clean", 1));
  figures::LineFigure lines;
  lines.title = "Steering (" + store::text_attribute(attributes, "operation") + ")";
  lines.subtitle = joined({model_name(reader), store::text_attribute(attributes, "site"),
                           "mean over " + counted(values.spec.shape[1], "prompt"), "whiskers: standard error"});
  lines.x_axis = "strength";
  const std::string units = shown_units(values.spec.units);
  lines.y_axis = store::text_attribute(attributes, "metric") + (units.empty() ? "" : " (" + units + ")");
  figures::Series series;
  series.x = strengths.values;
  for (std::int64_t i = 0; i < values.spec.shape[0]; ++i) {
    series.y.push_back(mean(row_of(values, i)));
    series.error_low.push_back(standard_error(row_of(values, i)));
  }
  lines.series.push_back(std::move(series));
  if (const double middle = mean(clean.values); middle == middle) lines.rules.push_back({middle, "not steered", false});
  figures::Records records;
  records.add("coefficient", strengths.values);
  add_rows(records, values, "mean");
  return ResultFigure{
      .name = item.name, .figure = std::move(lines), .table = std::move(records), .array = numbers(values)};
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  return item.path == metric_path ? metric_figure(reader, item) : any_figure(reader, item);
}

} // namespace

extern const ResultPart steering_part;
const ResultPart steering_part = {"steering", "steering vectors", "/steering", list, figure};

} // namespace headscope
