// SPDX-License-Identifier: GPL-3.0-or-later
// Mechanisms of attention against full attention: the losses as a table, and a map of heads for each measure and
// mechanism.
#include <algorithm>
#include <string_view>

#include "app/figures/restyle.h"
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

constexpr std::string_view measures[] = {"mass_kept", "pattern_kl", "z_error", "keys"};

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto names, reader.list(self.group));
  for (const std::string& name : names) {
    const std::string path = self.group + ("/" + name);
    if (name == "mechanisms") {
      items.push_back({&self, path, 0, "comparison"});
      continue;
    }
    if (std::find(std::begin(measures), std::end(measures), name) == std::end(measures)) continue; // names of axes
    HS_ASSIGN(const store::Array array, array_of(reader, path, 3)); // small: [mechanism, layer, head]
    for (std::int64_t at = 0; at < array.spec.shape[0]; ++at)
      items.push_back({&self, path, static_cast<std::size_t>(at), "comparison-" + name + "-" + std::to_string(at)});
  }
  return items;
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  if (item.name == "comparison") return any_figure(reader, item);
  HS_ASSIGN(const store::Array array, array_of(reader, item.path, 3));
  const auto at = static_cast<std::int64_t>(item.index);
  if (at >= array.spec.shape[0]) return make_error(ErrorCode::not_found, "has no such mechanism", {}, item.path);
  const std::vector<float> values = floats(row_of(array, at));
  figures::HeatmapFigure map = head_map(array.spec.shape[1], array.spec.shape[2], values);
  map.title = item.path.substr(item.path.find_last_of('/') + 1) + " of " + label_of(array, 0, at);
  map.subtitle = joined({model_name(reader), array.spec.long_name});
  map.scale.label = item.path.substr(item.path.find_last_of('/') + 1);
  map.scale.units = shown_units(array.spec.units);
  figures::scale_by_sign(map);
  return ResultFigure{.name = item.name,
                      .figure = std::move(map),
                      .array = NumberArray{{array.spec.shape[1], array.spec.shape[2]}, values}};
}

} // namespace

extern const ResultPart comparison_part;
const ResultPart comparison_part = {"comparison", "mechanisms of attention", "/comparison", list, figure};

} // namespace headscope
