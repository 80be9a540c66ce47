// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/map/map_figure.h"

#include <algorithm>
#include <limits>

namespace headscope::gui {
namespace {

constexpr std::int64_t largest_side = 2048;
constexpr float unknown = std::numeric_limits<float>::quiet_NaN();

// The value of a cell of `level`, from the finest tile at or above it.
float cell_value(const MapSource& map, Pooling pooling, int level, std::int64_t row, std::int64_t col) {
  for (; level < map.levels(); ++level, row /= 2, col /= 2) {
    const MapSource::TilePointer tile = map.tile({level, row / tile_side, col / tile_side});
    if (tile && tile->complete) return tile->at(row % tile_side, col % tile_side, pooling);
  }
  return unknown;
}

std::vector<std::string> ticks(const std::vector<std::string>& labels, std::int64_t skip, std::int64_t n, int level) {
  std::vector<std::string> ticks;
  for (std::int64_t i = 0; i < level_cells(n, level); ++i) {
    const auto at = static_cast<std::size_t>(skip + (i << level));
    ticks.push_back(level == 0 && at < labels.size() ? labels[at] : std::to_string(at));
  }
  return ticks;
}

} // namespace

int figure_level(MapShape shape) {
  int level = 0;
  while (level_cells(std::max(shape.n_query, shape.n_key), level) > largest_side)
    ++level;
  return level;
}

figures::HeatmapFigure map_figure(const MapSource& map, Pooling pooling, const figures::ResolvedScale& scale,
                                  const std::vector<std::string>& labels) {
  const MapShape shape = map.shape();
  const int level = figure_level(shape);
  figures::HeatmapFigure figure;
  figure.rows = level_cells(shape.n_query, level);
  figure.cols = level_cells(shape.n_key, level);
  figure.values.reserve(static_cast<std::size_t>(figure.rows * figure.cols));
  for (std::int64_t row = 0; row < figure.rows; ++row)
    for (std::int64_t col = 0; col < figure.cols; ++col) {
      const std::int64_t last_query = std::min(shape.n_query, (row + 1) << level) - 1;
      const bool masked = (col << level) > shape.last_key(last_query);
      figure.values.push_back(masked ? unknown : cell_value(map, pooling, level, row, col));
    }
  figure.causal_mask = level == 0 || shape.n_query == shape.n_key;
  figure.x_axis = "key token";
  figure.y_axis = "query token";
  figure.x_ticks = ticks(labels, 0, shape.n_key, level);
  figure.y_ticks = ticks(labels, shape.n_key - shape.n_query, shape.n_query, level);
  figure.scale.low = scale.low;
  figure.scale.high = scale.high;
  figure.scale.log = scale.log;
  figure.scale.label = "attention weight";
  if (level > 0) {
    const std::string side = std::to_string(std::int64_t{1} << level);
    figure.scale.label += (pooling == Pooling::max ? ", largest of " : ", mean of ") + side + " × " + side;
  }
  return figure;
}

namespace {

figures::HeatmapFigure panel_of(const mechanisms::Explanation& of) {
  figures::HeatmapFigure panel;
  panel.title = of.title;
  std::vector<std::vector<double>> rows = of.values;
  panel.y_ticks = of.rows;
  if (of.kind == mechanisms::ExplanationKind::groups) {
    for (const auto& [name, groups] : {std::pair("query", &of.query_groups), {"key", &of.key_groups}}) {
      if (groups->empty()) continue;
      panel.y_ticks.emplace_back(name);
      auto& row = rows.emplace_back();
      for (const std::int64_t group : *groups)
        row.push_back(group < 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(group));
    }
  }
  if (panel.y_ticks.empty()) panel.y_ticks = {""};
  panel.rows = std::ssize(rows);
  panel.cols = std::ssize(rows.front());
  for (const auto& row : rows)
    for (const double value : row)
      panel.values.push_back(static_cast<float>(value));
  panel.x_axis = of.by_distance ? "distance" : "token";
  panel.square_cells = false;
  panel.scale.label = of.kind == mechanisms::ExplanationKind::groups ? "group" : "value";
  return panel;
}

} // namespace

figures::Figure explained_figure(figures::HeatmapFigure map, MapShape shape, const mechanisms::Explanation& of) {
  using Kind = mechanisms::ExplanationKind;
  const int level = figure_level(shape);
  const std::int64_t before = shape.n_key - shape.n_query;
  const auto cell = [&](std::int64_t position) { return position >> level; };
  const auto end = [&](std::int64_t position, std::int64_t n) { return std::min(n, ((position - 1) >> level) + 1); };
  map.subtitle += (map.subtitle.empty() ? "" : " · ") + of.title;
  if (of.kind == Kind::numbers || of.kind == Kind::groups) {
    figures::PanelFigure page;
    page.title = map.title;
    page.subtitle = map.subtitle;
    page.columns = 1;
    page.shared_scale = false;
    map.title.clear();
    map.subtitle.clear();
    page.panels = {std::move(map), panel_of(of)};
    return page;
  }
  double largest = 0.0;
  for (const auto& region : of.regions)
    largest = std::max(largest, region.value);
  for (const auto& region : of.regions) {
    const std::int64_t first = std::max<std::int64_t>(0, region.query_begin - before);
    if (region.query_end - before <= first) continue;
    map.regions.push_back({cell(first), end(region.query_end - before, map.rows), cell(region.key_begin),
                           end(region.key_end, map.cols), std::max(0.0, region.value) / largest});
  }
  for (const std::int64_t at : of.boundaries) {
    map.col_lines.push_back(cell(at));
    if (at > before) map.row_lines.push_back(cell(at - before));
  }
  return map;
}

} // namespace headscope::gui
