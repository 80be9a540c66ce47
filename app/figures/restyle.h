// SPDX-License-Identifier: GPL-3.0-or-later
// Changes a finished figure: its title, colours or range.
#pragma once

#include <span>
#include <string>

#include "app/figures/figure.h"

namespace headscope::figures {

// The colour maps "viridis", "vik" and "gray".
std::span<const ColorMap> color_maps();
const char* to_string(ColorMap map);
Result<ColorMap> parse_color_map(const std::string& name);

void set_title(Figure& figure, const std::string& title);

// Sets the colours of maps: vik makes the scale diverging, about its centre or 0; the others make it sequential.
void set_color_map(Figure& figure, ColorMap map);

struct ValueRange {
  double low = 0, high = 1;
};
// Reads "LOW,HIGH", two finite numbers of which the first is smaller; otherwise invalid_argument.
Result<ValueRange> parse_range(const std::string& text);

// Sets exactly these ends for maps; a diverging scale keeps its centre, and the colours of equal arms.
void set_range(Figure& figure, ValueRange range);

// Sets a scale about 0 where values are below it, otherwise one from 0. Values below by less than a thousandth of the
// largest are rounding, and would waste half the colours.
void scale_by_sign(HeatmapFigure& map);

} // namespace headscope::figures
