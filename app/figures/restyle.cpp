// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/restyle.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace headscope::figures {
namespace {

template <typename Change> void change_scales(Figure& figure, Change change) {
  if (auto* map = std::get_if<HeatmapFigure>(&figure)) change(map->scale);
  if (auto* page = std::get_if<PanelFigure>(&figure))
    for (HeatmapFigure& map : page->panels)
      change(map.scale);
}

// Reads a text that is a number as a whole; NaN: it is not one.
double number_of(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  double value = NAN;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : NAN;
}

} // namespace

std::span<const ColorMap> color_maps() {
  static constexpr ColorMap maps[] = {ColorMap::viridis, ColorMap::vik, ColorMap::gray};
  return maps;
}

const char* to_string(ColorMap map) {
  switch (map) {
  case ColorMap::viridis: return "viridis";
  case ColorMap::vik: return "vik";
  case ColorMap::gray: break;
  }
  return "gray";
}

Result<ColorMap> parse_color_map(const std::string& name) {
  std::string names;
  for (const ColorMap map : color_maps()) {
    if (name == to_string(map)) return map;
    names += (names.empty() ? "" : ", ") + std::string(to_string(map));
  }
  return make_error(ErrorCode::invalid_argument, "'" + name + "' is no colour map; there are " + names, {},
                    "color_map");
}

void set_title(Figure& figure, const std::string& title) {
  std::visit([&](auto& kind) { kind.title = title; }, figure);
}

void set_color_map(Figure& figure, ColorMap map) {
  change_scales(figure, [&](ColorScale& scale) {
    scale.map = map;
    const ScaleKind kind = map == ColorMap::vik ? ScaleKind::diverging : ScaleKind::sequential;
    if (kind == scale.kind) return;
    scale.kind = kind;
    scale.low.reset();
    scale.high.reset();
  });
}

Result<ValueRange> parse_range(const std::string& text) {
  const auto comma = text.find(',');
  ValueRange range{NAN, NAN};
  if (comma != std::string::npos)
    range = {number_of(std::string_view(text).substr(0, comma)), number_of(std::string_view(text).substr(comma + 1))};
  if (!std::isfinite(range.low) || !std::isfinite(range.high))
    return make_error(ErrorCode::invalid_argument, "must be two numbers, LOW,HIGH, not '" + text + "'", {}, "range");
  if (range.low >= range.high)
    return make_error(ErrorCode::invalid_argument, "must begin with the smaller number, not '" + text + "'", {},
                      "range");
  return range;
}

void set_range(Figure& figure, ValueRange range) {
  change_scales(figure, [&](ColorScale& scale) {
    scale.low = range.low;
    scale.high = range.high;
    scale.cut = true;
  });
}

void scale_by_sign(HeatmapFigure& map) {
  double least = 0, largest = 0;
  for (const float value : map.values) {
    if (!std::isfinite(value)) continue;
    least = std::min(least, static_cast<double>(value));
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  const bool is_signed = least < -largest / 1000;
  map.scale.kind = is_signed ? ScaleKind::diverging : ScaleKind::sequential;
  map.scale.low = is_signed ? std::nullopt : std::optional<double>(0.0);
}

} // namespace headscope::figures
