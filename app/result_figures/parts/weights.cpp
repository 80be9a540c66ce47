// SPDX-License-Identifier: GPL-3.0-or-later
// What the weights of heads say: copying and matching scores, composition with later heads, singular directions.
#include "app/figures/restyle.h"
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  HS_ASSIGN(const auto names, reader.list(self.group));
  for (const std::string& name : names)
    items.push_back({&self, self.group + ("/" + name), 0, "weights-" + name});
  return items;
}

// A map with heads as rows and heads of later layers as columns; heads of one layer are next to each other.
figures::HeatmapFigure composition_map(const store::Array& array) {
  const std::vector<std::int64_t>& shape = array.spec.shape;
  figures::HeatmapFigure map = head_map(shape[0] * shape[1], shape[2] * shape[3], floats(array.values));
  map.y_axis = "head";
  map.x_axis = "later_head";
  map.annotate_values = false;
  map.square_cells = true;
  for (auto* ticks : {&map.y_ticks, &map.x_ticks}) {
    const bool later = ticks == &map.x_ticks;
    for (std::int64_t layer = 0; layer < shape[later ? 2 : 0]; ++layer)
      for (std::int64_t head = 0; head < shape[later ? 3 : 1]; ++head)
        ticks->push_back(head_name({static_cast<int>(layer), static_cast<int>(head)}));
  }
  return map;
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  if (item.name == "weights-singular") return any_figure(reader, item);
  HS_ASSIGN(const store::Array shape, reader.array(item.path));
  const std::size_t axes = shape.spec.shape.size();
  if (axes != 2 && axes != 4) return any_figure(reader, item);
  HS_ASSIGN(const store::Array array, array_of(reader, item.path, axes));
  figures::HeatmapFigure map =
      axes == 4 ? composition_map(array) : head_map(array.spec.shape[0], array.spec.shape[1], floats(array.values));
  const std::string what = item.path.substr(item.path.find_last_of('/') + 1);
  map.title = what + " of heads, from their weights";
  map.subtitle = joined({model_name(reader), array.spec.long_name});
  map.scale.label = what;
  figures::scale_by_sign(map);
  return ResultFigure{.name = item.name, .figure = std::move(map), .array = numbers(array)};
}

} // namespace

extern const ResultPart weights_part;
const ResultPart weights_part = {"weights", "what the weights of heads say", "/weights", list, figure};

} // namespace headscope
