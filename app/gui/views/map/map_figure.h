// SPDX-License-Identifier: GPL-3.0-or-later
// Makes the figure of a map that export writes.
#pragma once

#include <string>
#include <vector>

#include "app/figures/color_map.h"
#include "app/figures/figure.h"
#include "app/gui/maps/map_source.h"
#include "core/mechanisms/explanation.h"

namespace headscope::gui {

// Uses the tiles that are there, pooled to at most 2,048 cells a side; cells not loaded yet are NaN. `labels`: one per
// key, in any bytes; a pooled map shows positions instead.
figures::HeatmapFigure map_figure(const MapSource& map, Pooling pooling, const figures::ResolvedScale& scale,
                                  const std::vector<std::string>& labels);

// Draws what a mechanism chose into the figure of its map; numbers and groups become a second panel.
figures::Figure explained_figure(figures::HeatmapFigure map, MapShape shape, const mechanisms::Explanation& of);

// The level of the figure's tiles.
int figure_level(MapShape shape);

} // namespace headscope::gui
