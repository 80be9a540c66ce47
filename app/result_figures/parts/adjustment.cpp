// SPDX-License-Identifier: GPL-3.0-or-later
// Heads scaled and attention steered: the metric and the accuracy of each variant, means over prompts.
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

struct Measure {
  const char *dataset, *axis;
};
constexpr Measure measures[] = {{"logit_diff", "logit difference"}, {"accuracy", "accuracy"}};

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  for (std::size_t i = 0; i < std::size(measures); ++i) {
    HS_ASSIGN(const auto folders, method_folders(self, reader, measures[i].dataset, "adjustment"));
    for (const MethodFolder& folder : folders)
      items.push_back({&self, folder.path, i, folder.name + "-" + measures[i].dataset});
  }
  return items;
}

// What each variant changes; nothing where the file does not say it for all.
std::vector<std::string> changes_of(const store::ResultReader& reader, const std::string& path, std::int64_t variants) {
  const auto attributes = reader.attributes(path);
  if (!attributes.ok()) return {};
  const auto* value = store::find_attribute(*attributes, "adjustments");
  const auto* list = value ? std::get_if<std::vector<std::string>>(value) : nullptr;
  return list != nullptr && std::ssize(*list) == variants ? *list : std::vector<std::string>();
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  const Measure& measure = measures[item.index];
  HS_ASSIGN(const store::Array values, array_of(reader, item.path + "/" + measure.dataset, 2));
  const std::vector<std::string> changes = changes_of(reader, item.path, values.spec.shape[0]);
  figures::BarFigure bars;
  bars.title = std::string("Heads adjusted: ") + measure.axis;
  bars.subtitle = joined({model_name(reader), "mean over " + counted(values.spec.shape[1], "prompt"),
                          "whiskers: standard error", changes.size() > 1 ? "adjusted: " + changes[1] : ""});
  bars.x_axis = "variant";
  bars.y_axis = measure.axis;
  bars.categories = labels_of(values, 0);
  figures::Series series;
  for (std::int64_t variant = 0; variant < values.spec.shape[0]; ++variant) {
    series.y.push_back(mean(row_of(values, variant)));
    series.error_low.push_back(standard_error(row_of(values, variant)));
  }
  bars.series.push_back(std::move(series));
  figures::Records records;
  records.add("variant", bars.categories);
  if (!changes.empty()) records.add("adjustments", changes);
  add_rows(records, values, "mean");
  return ResultFigure{
      .name = item.name, .figure = std::move(bars), .table = std::move(records), .array = numbers(values)};
}

} // namespace

extern const ResultPart adjustment_part;
const ResultPart adjustment_part = {"adjustment", "heads scaled and steered", "/adjustment", list, figure};

} // namespace headscope
