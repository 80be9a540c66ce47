// SPDX-License-Identifier: GPL-3.0-or-later
// Attention between units of text (words, sentences, …) instead of between tokens.
#pragma once

#include <vector>

#include "app/gui/maps/tile.h"

namespace headscope::gui {

struct UnitMass {
  std::vector<std::int64_t> begins; // the first token of each unit, ascending from 0
  // Attention [query unit, key unit] that a query of the one unit gives to all keys of the other, averaged over the
  // queries. A row sums to 1. masked_weight after the diagonal, NaN where a weight was not measured.
  std::vector<float> values;

  std::int64_t n() const { return static_cast<std::int64_t>(begins.size()); }
};

// Sums a square map. Needs memory for units x units values, whatever the map's size.
Result<UnitMass> sum_units(MapShape shape, std::vector<std::int64_t> begins, const ReadBlock& read,
                           const RunControl& control);

} // namespace headscope::gui
