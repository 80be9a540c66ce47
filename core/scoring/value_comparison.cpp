// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/value_comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/scoring/rank_correlation.h"

namespace headscope {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values)
    sum += value;
  return values.empty() ? none : sum / static_cast<double>(values.size());
}

// NaN where one of them is the same everywhere.
double correlation_of(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean_a = mean(a), mean_b = mean(b);
  double both = 0.0, square_a = 0.0, square_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += (a[i] - mean_a) * (b[i] - mean_b);
    square_a += (a[i] - mean_a) * (a[i] - mean_a);
    square_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return square_a > 0 && square_b > 0 ? both / std::sqrt(square_a * square_b) : none;
}

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
  std::vector<double> x, y, sizes, differences;
  for (const std::size_t cell : cells_of_both(a, b)) {
    x.push_back(static_cast<double>(a[cell]));
    y.push_back(static_cast<double>(b[cell]));
    differences.push_back(x.back() - y.back());
    sizes.push_back(std::abs(differences.back()));
    out.difference[cell] = a[cell] - b[cell];
    if (sizes.size() == 1 || std::abs(out.difference[cell]) > std::abs(out.difference[out.largest])) out.largest = cell;
  }
  out.compared = x.size();
  out.correlation = correlation_of(x, y);
  out.rank_correlation = x.empty() ? none : rank_correlation(x, y);
  out.mean_difference = mean(differences);
  out.mean_size = mean(sizes);
  return out;
}

double top_overlap(std::span<const float> a, std::span<const float> b, std::size_t top) {
  const std::vector<std::size_t> cells = cells_of_both(a, b);
  const std::size_t most = std::min(top, cells.size());
  if (most == 0) return none;
  const std::vector<std::size_t> of_a = largest_cells(a, cells, most), of_b = largest_cells(b, cells, most);
  std::vector<std::size_t> shared;
  std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), std::back_inserter(shared));
  return static_cast<double>(shared.size()) / static_cast<double>(most);
}

} // namespace headscope
