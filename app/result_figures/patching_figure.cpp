// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/patching_figure.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "app/figures/token_label.h"

namespace headscope {
namespace {

// Whether positions have names: tokens, where all pairs have the same one. Older files have the numbers of the first
// pair's positions instead.
bool names_positions(const store::PatchingSpec& spec) {
  if (std::ssize(spec.clean_tokens) != spec.shape[1]) return false;
  const auto* pairs = store::find_attribute(spec.attributes, "pairs");
  if (pairs && *pairs == store::AttributeValue(std::int64_t{1})) return true;
  for (std::size_t i = 0; i < spec.clean_tokens.size(); ++i)
    if (spec.clean_tokens[i] != std::to_string(i)) return true;
  return false;
}

// With more panels, a page has no room for the cells.
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

// Selects [layer, head] at one position.
std::vector<float> at_position(const store::Patching& patching, std::int64_t position) {
  const auto& shape = patching.spec.shape;
  std::vector<float> values;
  for (std::int64_t layer = 0; layer < shape[0]; ++layer) {
    const auto begin = patching.restored.begin() + (layer * shape[1] + position) * shape[2];
    values.insert(values.end(), begin, begin + shape[2]);
  }
  return values;
}

// Selects for each [layer, head] the value farthest from 0.
std::vector<float> strongest(const store::Patching& patching) {
  std::vector<float> best = at_position(patching, 0);
  for (std::int64_t position = 1; position < patching.spec.shape[1]; ++position) {
    const std::vector<float> values = at_position(patching, position);
    for (std::size_t i = 0; i < best.size(); ++i)
      if (std::isnan(best[i]) || std::abs(values[i]) > std::abs(best[i])) best[i] = values[i];
  }
  return best;
}

std::string title_of(const PatchingPart& part) {
  const store::PatchingSpec& spec = part.patching.spec;
  return (part.estimated ? "Estimated share restored of " : "Restored ") + spec.metric + ", " + spec.site;
}

const char* value_name(const PatchingPart& part) { return part.estimated ? "restored, estimated" : "restored"; }

// The exact value of each cell [cell of the result]; NaN where it was not measured, and for several pairs, whose cells
// were checked one pair at a time.
std::vector<double> exact_values(const PatchingPart& part) {
  std::vector<double> exact(part.patching.restored.size(), std::numeric_limits<double>::quiet_NaN());
  if (part.pairs() != 1) return exact;
  const store::PatchingSpec& spec = part.patching.spec;
  for (const CheckedPatch& cell : part.checked) {
    std::int64_t at = cell.layer;
    for (std::size_t axis = 1; axis < spec.axes.size(); ++axis)
      at = at * spec.shape[axis] + (spec.axes[axis] == "head" ? cell.head : cell.position);
    if (at >= 0 && at < std::ssize(exact)) exact[static_cast<std::size_t>(at)] = cell.exact;
  }
  return exact;
}

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

// Frames the cells that were patched and disagree, with their exact values beside the row.
void mark_disagreeing(const PatchingPart& part, HeatmapFigure& map) {
  const store::PatchingSpec& spec = part.patching.spec;
  if (part.pairs() != 1 || spec.shape.size() != 2) return;
  std::map<std::int64_t, std::vector<const CheckedPatch*>> by_layer;
  for (const CheckedPatch& cell : part.checked)
    if (!cell.agrees) by_layer[cell.layer].push_back(&cell);
  for (const auto& [layer, cells] : by_layer)
    for (const CheckedPatch* cell : cells) {
      std::string label;
      if (cell == cells.front())
        for (const CheckedPatch* each : cells)
          label += (label.empty() ? "exact=" : ",") + two_digits(each->exact);
      map.marks.push_back({layer, spec.axes[1] == "head" ? cell->head : cell->position, label});
    }
}

std::string joined(const std::string& a, const std::string& b) { return a.empty() || b.empty() ? a + b : a + "; " + b; }

template <typename T> bool column_of(const store::Table& table, const std::string& name, std::vector<T>& out) {
  for (const store::Column& column : table.columns)
    if (const auto* values = std::get_if<std::vector<T>>(&column.values); values && column.name == name) {
      out = *values;
      return true;
    }
  return false;
}

Result<std::vector<CheckedPatch>> read_checked(const store::ResultReader& reader, const std::string& path) {
  HS_ASSIGN(const store::Table table, reader.table(path));
  std::vector<std::int64_t> layers, positions, heads, agrees, pairs;
  std::vector<double> estimated, exact;
  const bool whole = column_of(table, "layer", layers) && column_of(table, "position", positions) &&
                     column_of(table, "head", heads) && column_of(table, "agrees", agrees) &&
                     column_of(table, "estimated", estimated) && column_of(table, "exact", exact);
  if (!whole) return make_error(ErrorCode::corrupt, "lacks a column", {}, path);
  for (const std::size_t size : {positions.size(), heads.size(), agrees.size(), estimated.size(), exact.size()})
    if (size != layers.size()) return make_error(ErrorCode::corrupt, "has columns of unequal lengths", {}, path);
  if (!column_of(table, "pair", pairs) || pairs.size() != layers.size()) pairs.assign(layers.size(), 0);
  std::vector<CheckedPatch> checked;
  for (std::size_t i = 0; i < layers.size(); ++i)
    checked.push_back({pairs[i], layers[i], positions[i], heads[i], estimated[i], exact[i], agrees[i] != 0});
  return checked;
}

} // namespace

std::int64_t PatchingPart::pairs() const {
  const auto* value = store::find_attribute(patching.spec.attributes, "pairs");
  const auto* count = value ? std::get_if<std::int64_t>(value) : nullptr;
  return count ? *count : 1;
}

std::string PatchingPart::estimate_text() const {
  if (!estimated) return {};
  const auto wrong = std::count_if(checked.begin(), checked.end(), [](const CheckedPatch& c) { return !c.agrees; });
  std::string text = "estimates from one gradient (attribution patching), not patches";
  if (checked.empty()) return text;
  text += "; of " + std::to_string(checked.size()) + " cells patched to compare " + std::to_string(wrong) + " disagree";
  return wrong > 0 && pairs() == 1 ? text + " (framed)" : text;
}

Result<PatchingPart> read_patching(const store::ResultReader& reader, const std::string& name) {
  PatchingPart part;
  HS_ASSIGN(part.patching, reader.patching(name));
  const auto* estimated = store::find_attribute(part.patching.spec.attributes, "estimated");
  part.estimated = estimated && *estimated == store::AttributeValue(true);
  if (!part.estimated) return part;
  auto checked = read_checked(reader, "/patching/" + name + "/checked");
  if (!checked.ok() && checked.error().code != ErrorCode::not_found) return checked.error();
  if (checked.ok()) part.checked = std::move(*checked);
  return part;
}

HeatmapFigure patching_map(const PatchingPart& part, const std::string& subtitle) {
  const store::Patching& patching = part.patching;
  const store::PatchingSpec& spec = patching.spec;
  const bool three = spec.shape.size() == 3;
  HeatmapFigure map = three ? map_of(spec.shape[0], spec.shape[2], "head", strongest(patching))
                            : map_of(spec.shape[0], spec.shape[1], spec.axes[1], patching.restored);
  map.title = title_of(part) + (three ? " of each head patched at the position where it does most" : " patched");
  map.subtitle = joined(subtitle, part.estimate_text());
  map.scale.label = value_name(part);
  if (map.x_axis == "position" && std::ssize(spec.clean_tokens) == map.cols) map.x_ticks = spec.clean_tokens;
  mark_disagreeing(part, map);
  return map;
}

std::optional<figures::PanelFigure> patching_panels(const PatchingPart& part, const std::string& subtitle) {
  const store::PatchingSpec& spec = part.patching.spec;
  if (spec.shape.size() != 3 || spec.shape[1] > most_panels) return std::nullopt;
  figures::PanelFigure panels;
  panels.title = title_of(part) + " of each head patched at one position";
  panels.subtitle = joined(subtitle, part.estimate_text());
  for (std::int64_t position = 0; position < spec.shape[1]; ++position) {
    HeatmapFigure map = map_of(spec.shape[0], spec.shape[2], "head", at_position(part.patching, position));
    map.scale.label = value_name(part);
    map.title = std::to_string(position);
    if (names_positions(spec) && spec.clean_tokens[static_cast<std::size_t>(position)] != "position " + map.title)
      map.title.append(" ").append(figures::token_label(spec.clean_tokens[static_cast<std::size_t>(position)]));
    panels.panels.push_back(std::move(map));
  }
  return panels;
}

figures::Table patching_table(const PatchingPart& part) {
  const store::PatchingSpec& spec = part.patching.spec;
  figures::Table table;
  if (spec.shape.size() != 3 && !part.estimated) return table;
  table.columns = spec.axes;
  table.columns.emplace_back(part.estimated ? "restored_estimate" : "restored");
  if (part.estimated) table.columns.emplace_back("restored_exact");
  const std::vector<double> exact = exact_values(part);
  const bool tokens = spec.axes[1] == "position" && names_positions(spec);
  if (tokens) table.row_header = "token";
  for (std::size_t cell = 0; cell < part.patching.restored.size(); ++cell) {
    std::vector<std::int64_t> place(spec.shape.size());
    auto rest = static_cast<std::int64_t>(cell);
    for (std::size_t axis = place.size(); axis-- > 0; rest /= spec.shape[axis])
      place[axis] = rest % spec.shape[axis];
    table.values.insert(table.values.end(), place.begin(), place.end());
    table.values.push_back(part.patching.restored[cell]);
    if (part.estimated) table.values.push_back(exact[cell]);
    if (tokens) table.row_labels.push_back(spec.clean_tokens[static_cast<std::size_t>(place[1])]);
  }
  return table;
}

} // namespace headscope
