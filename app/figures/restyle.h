// SPDX-License-Identifier: GPL-3.0-or-later
// What may be asked of a finished figure: another title, other colours, another range.
#pragma once

#include <span>
#include <string>

#include "app/figures/figure.h"

namespace headscope::figures {

// "viridis", "vik", "gray".
std::span<const ColorMap> color_maps();
const char* to_string(ColorMap map);
Result<ColorMap> parse_color_map(const std::string& name);

void set_title(Figure& figure, const std::string& title);

// Of maps: vik makes the scale diverging, about its centre or 0; the others make it sequential.
void set_color_map(Figure& figure, ColorMap map);

struct ValueRange {
  double low = 0, high = 1;
};
// "LOW,HIGH", two finite numbers, the first the smaller: invalid_argument otherwise.
Result<ValueRange> parse_range(const std::string& text);

// Of maps: exactly these ends; a diverging scale keeps its centre, and its colours those of equal arms.
void set_range(Figure& figure, ValueRange range);

// A scale about 0 where values lie below it, else one from 0. What is below by less than a thousandth of the largest is
// rounding: it would cost half of the colours.
void scale_by_sign(HeatmapFigure& map);

} // namespace headscope::figures
