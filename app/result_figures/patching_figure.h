// SPDX-License-Identifier: GPL-3.0-or-later
// A patching experiment of a result file (/patching/NAME), as maps and as numbers.
#pragma once

#include <optional>
#include <string>

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "core/store/result_types.h"

namespace headscope {

// Layers by positions or heads. With three axes: by heads, of each the position where it does most.
figures::HeatmapFigure patching_map(const store::Patching& patching, const std::string& subtitle);

// With three axes: a map of layers by heads for each position, unless there are too many for a page.
std::optional<figures::PanelFigure> patching_panels(const store::Patching& patching, const std::string& subtitle);

// With three axes: one row a cell, with its place on each axis and, of one pair of prompts, the clean prompt's token.
figures::Table patching_table(const store::Patching& patching);

} // namespace headscope
