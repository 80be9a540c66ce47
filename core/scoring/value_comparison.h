// SPDX-License-Identifier: GPL-3.0-or-later
// Compares the same measurement of two runs cell by cell: scores of heads, effects of ablations, restored shares of
// patching.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace headscope {

struct ValueComparison {
  std::vector<float> difference; // a - b, as many as given; NaN where either has none
  std::size_t compared = 0;      // cells that both have
  double correlation = 0.0;      // Pearson's over them; NaN: not defined
  double rank_correlation = 0.0; // Spearman's over them; NaN: not defined
  double mean_difference = 0.0;  // of a - b; NaN when nothing is compared
  double mean_size = 0.0;        // of |a - b|
  std::size_t largest = 0;       // the cell of the largest |a - b|, the first of equals
};

// Both lists have the same length and order; NaN: not measured.
ValueComparison compare_values(std::span<const float> a, std::span<const float> b);

// The share of the `top` cells of largest magnitude in `a` that are also among those of `b`: 1 when the lists are the
// same. Only cells measured in both count, all of them where there are fewer than `top`; NaN when there are none.
double top_overlap(std::span<const float> a, std::span<const float> b, std::size_t top);

} // namespace headscope
