// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/patching_figure.h"

#include <cmath>

#include "app/figures/token_label.h"

namespace headscope {
namespace {

// The tokens of one pair are those of the positions; of several they are numbers, of the first pair's positions alone.
bool one_pair(const store::PatchingSpec& spec) {
  const auto* pairs = store::find_attribute(spec.attributes, "pairs");
  return pairs && *pairs == store::AttributeValue(std::int64_t{1}) && std::ssize(spec.clean_tokens) == spec.shape[1];
}

// Of more, a page of maps has no room for the cells.
constexpr std::int64_t most_panels = 36;

using figures::HeatmapFigure;

HeatmapFigure map_of(std::int64_t rows, std::int64_t cols, const std::string& x_axis, std::vector<float> values) {
  HeatmapFigure map;
  map.rows = rows;
  map.cols = cols;
  map.y_axis = "layer";
  map.x_axis = x_axis;
  map.values = std::move(values);
  map.scale.kind = figures::ScaleKind::diverging;
  map.scale.label = "restored";
  map.square_cells = false;
  return map;
}

// [layer, head] of one position.
std::vector<float> at_position(const store::Patching& patching, std::int64_t position) {
  const auto& shape = patching.spec.shape;
  std::vector<float> values;
  for (std::int64_t layer = 0; layer < shape[0]; ++layer) {
    const auto begin = patching.restored.begin() + (layer * shape[1] + position) * shape[2];
    values.insert(values.end(), begin, begin + shape[2]);
  }
  return values;
}

// [layer, head], of each the value farthest from 0.
std::vector<float> strongest(const store::Patching& patching) {
  std::vector<float> best = at_position(patching, 0);
  for (std::int64_t position = 1; position < patching.spec.shape[1]; ++position) {
    const std::vector<float> values = at_position(patching, position);
    for (std::size_t i = 0; i < best.size(); ++i)
      if (std::isnan(best[i]) || std::abs(values[i]) > std::abs(best[i])) best[i] = values[i];
  }
  return best;
}

std::string title_of(const store::PatchingSpec& spec) { return "Restored " + spec.metric + ", " + spec.site; }

} // namespace

HeatmapFigure patching_map(const store::Patching& patching, const std::string& subtitle) {
  const store::PatchingSpec& spec = patching.spec;
  const bool three = spec.shape.size() == 3;
  HeatmapFigure map = three ? map_of(spec.shape[0], spec.shape[2], "head", strongest(patching))
                            : map_of(spec.shape[0], spec.shape[1], spec.axes[1], patching.restored);
  map.title = title_of(spec) + (three ? " of each head patched at the position where it does most" : " patched");
  map.subtitle = subtitle;
  if (map.x_axis == "position" && std::ssize(spec.clean_tokens) == map.cols) map.x_ticks = spec.clean_tokens;
  return map;
}

std::optional<figures::PanelFigure> patching_panels(const store::Patching& patching, const std::string& subtitle) {
  const store::PatchingSpec& spec = patching.spec;
  if (spec.shape.size() != 3 || spec.shape[1] > most_panels) return std::nullopt;
  figures::PanelFigure panels;
  panels.title = title_of(spec) + " of each head patched at one position";
  panels.subtitle = subtitle;
  for (std::int64_t position = 0; position < spec.shape[1]; ++position) {
    HeatmapFigure map = map_of(spec.shape[0], spec.shape[2], "head", at_position(patching, position));
    map.title = std::to_string(position);
    if (one_pair(spec))
      map.title.append(" ").append(figures::token_label(spec.clean_tokens[static_cast<std::size_t>(position)]));
    panels.panels.push_back(std::move(map));
  }
  return panels;
}

figures::Table patching_table(const store::Patching& patching) {
  const store::PatchingSpec& spec = patching.spec;
  figures::Table table;
  if (spec.shape.size() != 3) return table;
  table.columns = spec.axes;
  table.columns.emplace_back("restored");
  const bool tokens = one_pair(spec);
  if (tokens) table.row_header = "token";
  for (std::size_t cell = 0; cell < patching.restored.size(); ++cell) {
    const auto at = static_cast<std::int64_t>(cell), head = at % spec.shape[2];
    const std::int64_t position = at / spec.shape[2] % spec.shape[1], layer = at / spec.shape[2] / spec.shape[1];
    for (const std::int64_t place : {layer, position, head})
      table.values.push_back(static_cast<double>(place));
    table.values.push_back(patching.restored[cell]);
    if (tokens) table.row_labels.push_back(spec.clean_tokens[static_cast<std::size_t>(position)]);
  }
  return table;
}

} // namespace headscope
