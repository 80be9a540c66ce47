// SPDX-License-Identifier: GPL-3.0-or-later
// A map as the figure that export writes.
#pragma once

#include <string>
#include <vector>

#include "app/figures/color_map.h"
#include "app/figures/figure.h"
#include "app/gui/maps/map_source.h"

namespace headscope::gui {

// From the tiles that are there, pooled to at most 2,048 cells a side; a cell that has not come yet is NaN.
// `labels`: one a key, in any bytes; of a pooled map positions stand in their place.
figures::HeatmapFigure map_figure(const MapSource& map, Pooling pooling, const figures::ResolvedScale& scale,
                                  const std::vector<std::string>& labels);

// The level of it.
int figure_level(MapShape shape);

} // namespace headscope::gui
