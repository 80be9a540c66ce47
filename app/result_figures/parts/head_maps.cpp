// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/parts/head_maps.h"

#include <algorithm>

#include "app/figures/restyle.h"

namespace headscope::parts {
namespace {

bool has(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string last_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

} // namespace

Result<ResultItems> head_items(const HeadGroup& group, const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto names, reader.list(self.group));
  for (const std::string& name : names) { // names of axes are passed over
    const std::string path = self.group + ("/" + name), own = group.prefix + "-" + name;
    if (name == group.main) items.push_back({&self, path, 0, group.prefix});
    if (has(group.as_found, name) || has(group.maps, name)) items.push_back({&self, path, 0, own});
    if (!has(group.stacks, name)) continue;
    HS_ASSIGN(const store::Array array, array_of(reader, path, 3)); // small
    for (std::int64_t at = 0; at < array.spec.shape[0]; ++at)
      items.push_back({&self, path, static_cast<std::size_t>(at), own + "-" + std::to_string(at)});
  }
  return items;
}

Result<ResultFigure> head_figure(const HeadGroup& group, const store::ResultReader& reader, const ResultItem& item) {
  const std::string name = last_name(item.path);
  const bool stack = has(group.stacks, name);
  if (!stack && !has(group.maps, name)) return any_figure(reader, item);
  HS_ASSIGN(const store::Array array, array_of(reader, item.path, stack ? 3 : 2));
  const auto at = static_cast<std::int64_t>(item.index);
  if (stack && at >= array.spec.shape[0]) return make_error(ErrorCode::not_found, "has no such map", {}, item.path);
  const std::int64_t layers = array.spec.shape[stack ? 1 : 0], heads = array.spec.shape[stack ? 2 : 1];
  const std::vector<float> values = stack ? floats(row_of(array, at)) : floats(array.values);
  figures::HeatmapFigure map = head_map(layers, heads, values);
  map.title = stack ? name + " of " + label_of(array, 0, at) : name;
  map.subtitle = joined({model_name(reader), array.spec.long_name});
  map.scale.label = name;
  map.scale.units = shown_units(array.spec.units);
  figures::scale_by_sign(map);
  return ResultFigure{.name = item.name, .figure = std::move(map), .array = NumberArray{{layers, heads}, values}};
}

} // namespace headscope::parts
