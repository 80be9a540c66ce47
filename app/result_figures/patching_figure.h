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

// A cell of an estimate that was also patched exactly; indices of the result's axes.
struct CheckedPatch {
  std::int64_t pair = 0, layer = 0, position = 0, head = 0;
  double estimated = 0.0, exact = 0.0; // restored
  bool agrees = true;
};

// The data that the figures are drawn from.
struct PatchingPart {
  store::Patching patching;
  bool estimated = false;            // the values are estimates from one gradient
  std::vector<CheckedPatch> checked; // of an estimate

  std::int64_t pairs() const;
  // Says "estimates from one gradient; of 32 cells patched to compare 6 disagree"; empty for exact patching.
  std::string estimate_text() const;
};
Result<PatchingPart> read_patching(const store::ResultReader& reader, const std::string& name);

// A map of layers by positions or heads. With three axes: by heads, each at the position where it does most.
figures::HeatmapFigure patching_map(const PatchingPart& part, const std::string& subtitle);

// With three axes: a map of layers by heads for each position, unless there are too many for a page.
std::optional<figures::PanelFigure> patching_panels(const PatchingPart& part, const std::string& subtitle);

// The table for three axes and for estimates: one row per cell, with its place on each axis and the name of the
// position: the clean prompt's token or, for several pairs that differ there, what they have in common. Estimates are
// in a column restored_estimate, beside the exact value where that was measured (for a single pair).
figures::Table patching_table(const PatchingPart& part);

} // namespace headscope
