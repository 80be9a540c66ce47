// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/value_comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/scoring/rank_correlation.h"

namespace headscope {
namespace {

std::vector<std::size_t> cells_of_both(std::span<const float> a, std::span<const float> b) {
  std::vector<std::size_t> cells;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (std::isfinite(a[i]) && std::isfinite(b[i])) cells.push_back(i);
  return cells;
}

std::vector<std::size_t> largest_cells(std::span<const float> values, std::vector<std::size_t> cells, std::size_t top) {
  std::stable_sort(cells.begin(), cells.end(),
                   [&](std::size_t x, std::size_t y) { return std::abs(values[x]) > std::abs(values[y]); });
  cells.resize(std::min(cells.size(), top));
  std::sort(cells.begin(), cells.end());
  return cells;
}

} // namespace

ValueComparison compare_values(std::span<const float> a, std::span<const float> b) {
  ValueComparison out;
  out.difference.assign(a.size(), std::numeric_limits<float>::quiet_NaN());
  std::vector<double> x, y;
  for (const std::size_t cell : cells_of_both(a, b)) {
    x.push_back(static_cast<double>(a[cell]));
    y.push_back(static_cast<double>(b[cell]));
    out.mean_difference += x.back() - y.back();
    out.mean_size += std::abs(x.back() - y.back());
    out.difference[cell] = a[cell] - b[cell];
    if (x.size() == 1 || std::abs(out.difference[cell]) > std::abs(out.difference[out.largest])) out.largest = cell;
  }
  out.compared = x.size();
  out.mean_difference /= static_cast<double>(out.compared); // 0 / 0 where nothing is compared
  out.mean_size /= static_cast<double>(out.compared);
  out.correlation = correlation(x, y);
  out.rank_correlation = rank_correlation(x, y);
  return out;
}

double top_overlap(std::span<const float> a, std::span<const float> b, std::size_t top) {
  const std::vector<std::size_t> cells = cells_of_both(a, b);
  const std::size_t most = std::min(top, cells.size());
  if (most == 0) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::size_t> of_a = largest_cells(a, cells, most), of_b = largest_cells(b, cells, most);
  std::vector<std::size_t> shared;
  std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), std::back_inserter(shared));
  return static_cast<double>(shared.size()) / static_cast<double>(most);
}

} // namespace headscope
