// SPDX-License-Identifier: GPL-3.0-or-later
// A patching experiment of a result file (/patching/NAME), as maps and as numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "core/store/result_file.h"

namespace headscope {

// A cell of an estimate that was patched for real; indices of the result's axes.
struct CheckedPatch {
  std::int64_t pair = 0, layer = 0, position = 0, head = 0;
  double estimated = 0.0, exact = 0.0; // restored
  bool agrees = true;
};

// What the figures are drawn from.
struct PatchingPart {
  store::Patching patching;
  bool estimated = false;            // the values are estimates from one gradient
  std::vector<CheckedPatch> checked; // of an estimate

  std::int64_t pairs() const;
  // "estimates from one gradient; of 32 cells patched to compare 6 disagree"; empty for patches.
  std::string estimate_text() const;
};
Result<PatchingPart> read_patching(const store::ResultReader& reader, const std::string& name);

// Layers by positions or heads. With three axes: by heads, of each the position where it does most.
figures::HeatmapFigure patching_map(const PatchingPart& part, const std::string& subtitle);

// With three axes: a map of layers by heads for each position, unless there are too many for a page.
std::optional<figures::PanelFigure> patching_panels(const PatchingPart& part, const std::string& subtitle);

// With three axes, and of estimates: one row a cell, with its place on each axis and the name of the position: the
// clean prompt's token or, of several pairs that have others there, what they have in common. Of estimates the value is
// called restored_estimate, and beside it stands the exact value where that was measured (of one pair).
figures::Table patching_table(const PatchingPart& part);

} // namespace headscope
