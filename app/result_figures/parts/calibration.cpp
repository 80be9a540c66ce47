// SPDX-License-Identifier: GPL-3.0-or-later
// The effect of reducing attention on later sinks, layers by heads.
#include <algorithm>

#include "app/result_figures/parts/common.h"
#include "app/result_figures/result_figures.h"

namespace headscope {
namespace {

using namespace parts;

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  return items_by_name(self, reader, "calibration");
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  const std::string path = "/calibration/" + item.path;
  HS_ASSIGN(const store::Attributes attributes, reader.attributes(path));
  HS_ASSIGN(const store::Array effects, array_of(reader, path + "/effects", 2));
  HS_ASSIGN(const auto chosen, reader.strings(path + "/heads"));
  figures::HeatmapFigure map = head_map(effects.spec.shape[0], effects.spec.shape[1], floats(effects.values));
  const std::string metric = store::text_attribute(attributes, "metric");
  map.title = "Change of " + metric + " with the later sinks of each head calibrated";
  map.subtitle = joined({model_name(reader), item.path, frames_text(chosen.size(), std::nullopt)});
  map.scale.kind = figures::ScaleKind::diverging;
  map.scale.label = "calibrated minus not";
  map.scale.units = shown_units(effects.spec.units);
  for (std::int64_t layer = 0; layer < map.rows; ++layer)
    for (std::int64_t head = 0; head < map.cols; ++head) {
      const auto framed = chosen.begin() + static_cast<std::ptrdiff_t>(std::min(chosen.size(), most_framed));
      const std::string name = head_name({static_cast<int>(layer), static_cast<int>(head)});
      if (std::find(chosen.begin(), framed, name) != framed) map.marks.push_back({layer, head, ""});
    }
  return ResultFigure{.name = item.name, .figure = std::move(map)};
}

} // namespace

extern const ResultPart calibration_part;
const ResultPart calibration_part = {"calibration", "later sinks calibrated", "/calibration", list, figure};

} // namespace headscope
