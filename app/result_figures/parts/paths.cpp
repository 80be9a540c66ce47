// SPDX-License-Identifier: GPL-3.0-or-later
// Path patching: the effect of the paths from each sender to the receivers, means over pairs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

// A sender's place in the map: "a5.h3" and "m5" have one, "input" has none.
struct Sender {
  std::int64_t layer = -1, head = -1;
};

Sender parse(const std::string& name) {
  int layer = 0, head = 0, end = 0;
  if (std::sscanf(name.c_str(), "a%d.h%d%n", &layer, &head, &end) == 2 && name.size() == static_cast<std::size_t>(end))
    return {layer, head};
  if (std::sscanf(name.c_str(), "m%d%n", &layer, &end) == 1 && name.size() == static_cast<std::size_t>(end))
    return {layer, -1};
  return {};
}

// A map of layers by heads and MLP; nodes that were not senders are not measured.
std::optional<figures::HeatmapFigure> map_of(const store::Array& effects, const std::vector<Sender>& senders) {
  constexpr std::int64_t most = 1 << 14; // of a broken file
  std::int64_t layers = 0, heads = 0;
  bool mlps = false;
  for (const Sender& sender : senders) {
    layers = std::max(layers, sender.layer + 1);
    heads = std::max(heads, sender.head + 1);
    mlps = mlps || (sender.layer >= 0 && sender.head < 0);
  }
  const std::int64_t columns = heads + (mlps ? 1 : 0);
  if (layers == 0 || layers > most || columns > most || layers * columns > most * 16) return std::nullopt;
  std::vector<float> values(static_cast<std::size_t>(layers * columns), NAN);
  for (std::size_t i = 0; i < senders.size(); ++i) {
    if (senders[i].layer < 0) continue;
    const std::int64_t column = senders[i].head < 0 ? heads : senders[i].head;
    values[static_cast<std::size_t>(senders[i].layer * columns + column)] =
        static_cast<float>(mean(row_of(effects, static_cast<std::int64_t>(i))));
  }
  figures::HeatmapFigure map = head_map(layers, columns, std::move(values));
  if (!mlps) return map;
  for (std::int64_t head = 0; head < heads; ++head)
    map.x_ticks.push_back(std::to_string(head));
  map.x_ticks.emplace_back("MLP");
  map.x_axis = heads > 0 ? "head, MLP" : "";
  return map;
}

// Mentions the input, which has no place in a map of layers.
std::string input_text(const store::Array& effects, const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), "input");
  if (found == names.end()) return {};
  char text[64];
  std::snprintf(text, sizeof text, "from the input %.3g", mean(row_of(effects, found - names.begin())));
  return text;
}

std::string receivers_text(const store::Attributes& attributes) {
  const auto* value = store::find_attribute(attributes, "receivers");
  if (value == nullptr) return {};
  if (const auto* text = std::get_if<std::string>(value)) return "to " + *text;
  const auto* list = std::get_if<std::vector<std::string>>(value);
  if (list == nullptr || list->empty()) return {};
  return "to " + (list->size() == 1 ? list->front() : counted(std::ssize(*list), "input"));
}

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  HS_ASSIGN(const auto folders, method_folders(self, reader, "effects", "paths"));
  ResultItems items;
  for (const MethodFolder& folder : folders)
    items.push_back({&self, folder.path, 0, folder.name});
  return items;
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(const store::Array effects, array_of(reader, item.path + "/effects", 2));
  const std::vector<std::string> names = labels_of(effects, 0);
  std::vector<Sender> senders;
  std::vector<double> layers, heads;
  for (const std::string& name : names) {
    senders.push_back(parse(name));
    layers.push_back(senders.back().layer < 0 ? NAN : static_cast<double>(senders.back().layer));
    heads.push_back(senders.back().head < 0 ? NAN : static_cast<double>(senders.back().head));
  }
  ResultFigure out{.name = item.name, .figure = std::nullopt};
  if (auto map = map_of(effects, senders)) {
    const std::string metric = store::text_attribute(effects.spec.attributes, "metric");
    map->title = "Change of " + (metric.empty() ? "the metric" : metric) + " when each sender's paths are patched";
    map->subtitle = joined({model_name(reader), receivers_text(effects.spec.attributes),
                            "mean over " + counted(effects.spec.shape[1], "pair"), input_text(effects, names)});
    map->scale.kind = figures::ScaleKind::diverging;
    map->scale.label = "patched minus clean";
    map->scale.units = shown_units(effects.spec.units);
    out.figure = std::move(*map);
  }
  figures::Records records;
  records.add("sender", names).add("layer", std::move(layers)).add("head", std::move(heads));
  add_rows(records, effects, "mean");
  out.table = std::move(records);
  out.array = numbers(effects);
  return out;
}

} // namespace

extern const ResultPart paths_part;
const ResultPart paths_part = {"paths", "path patching", "/paths", list, figure};

} // namespace headscope
