// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/figures/figure.h"
#include "app/gui/workspace/score_board.h"

namespace headscope::gui {

// Makes the map of a score that the command line also draws.
figures::HeatmapFigure score_figure(const HeadScores& scores);

} // namespace headscope::gui
