// SPDX-License-Identifier: GPL-3.0-or-later
// Context managers: a recall map for each, surprise by token, and the losses as a table.
#include "app/figures/restyle.h"
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

const std::string group = "/contexts", recall_path = "/contexts/recall", surprise_path = "/contexts/surprise";

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  ResultItems items;
  for (const char* name : {"managers", "needles"})
    if (reader.exists(group + "/" + name))
      items.push_back({&self, group + "/" + name, 0, std::string("contexts-") + name});
  if (reader.exists(recall_path)) {
    HS_ASSIGN(const store::Array recall, reader.array(recall_path));
    for (std::int64_t at = 0; at < recall.spec.shape[0]; ++at)
      items.push_back({&self, recall_path, static_cast<std::size_t>(at), "contexts-recall-" + std::to_string(at)});
  }
  if (reader.exists(surprise_path)) items.push_back({&self, surprise_path, 0, "contexts-surprise"});
  return items;
}

Result<ResultFigure> recall_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Array array, array_of(reader, recall_path, 3));
  const auto at = static_cast<std::int64_t>(item.index);
  if (at >= array.spec.shape[0]) return make_error(ErrorCode::not_found, "has no such map", {}, item.path);
  const std::int64_t segments = array.spec.shape[1], earlier = array.spec.shape[2];
  const std::vector<float> values = floats(row_of(array, at));
  figures::HeatmapFigure map = head_map(segments, earlier, values);
  map.y_axis = "segment";
  map.x_axis = "earlier segment";
  map.title = "Recall of " + label_of(array, 0, at);
  map.subtitle = joined({model_name(reader), array.spec.long_name});
  map.scale.label = "recall";
  figures::scale_by_sign(map);
  return ResultFigure{.name = item.name, .figure = std::move(map), .array = NumberArray{{segments, earlier}, values}};
}

Result<ResultFigure> surprise_figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Array array, array_of(reader, surprise_path, 2));
  figures::LineFigure lines;
  lines.title = "Surprise by token";
  lines.subtitle = joined({model_name(reader), array.spec.long_name});
  lines.x_axis = "position";
  lines.y_axis = "surprise";
  for (std::int64_t at = 0; at < array.spec.shape[0]; ++at) {
    const auto row = row_of(array, at);
    lines.series.push_back({label_of(array, 0, at), {}, {row.begin(), row.end()}, {}, {}});
  }
  return ResultFigure{.name = item.name, .figure = std::move(lines), .array = numbers(array)};
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  if (item.path == recall_path) return recall_figure(reader, item);
  return item.path == surprise_path ? surprise_figure(reader, item) : any_figure(reader, item);
}

} // namespace

extern const ResultPart contexts_part;
const ResultPart contexts_part = {"contexts", "context managers", "/contexts", list, figure};

} // namespace headscope
