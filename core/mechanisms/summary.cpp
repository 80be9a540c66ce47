// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/summary.h"

#include <array>
#include <cmath>
#include <numeric>

namespace headscope::mechanisms {
namespace {

constexpr std::size_t most = 3;
using Equations = std::array<std::array<double, most + 1>, most>;

// Solves a small linear system by elimination with pivots; nullopt where it has no single solution.
std::optional<std::array<double, most>> solve(Equations rows, std::size_t n) {
  for (std::size_t column = 0; column < n; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < n; ++row)
      if (std::abs(rows[row][column]) > std::abs(rows[pivot][column])) pivot = row;
    if (std::abs(rows[pivot][column]) < 1e-12) return std::nullopt;
    std::swap(rows[column], rows[pivot]);
    for (std::size_t row = 0; row < n; ++row) {
      if (row == column) continue;
      const double factor = rows[row][column] / rows[column][column];
      for (std::size_t i = 0; i <= n; ++i)
        rows[row][i] -= factor * rows[column][i];
    }
  }
  std::array<double, most> solution{};
  for (std::size_t i = 0; i < n; ++i)
    solution[i] = rows[i][n] / rows[i][i];
  return solution;
}

// The coefficients of 1, x, … of the polynomial with `n` terms that is nearest to the points.
std::optional<std::array<double, most>> fit(const std::vector<double>& x, const std::vector<double>& y, std::size_t n) {
  Equations rows{};
  for (std::size_t point = 0; point < x.size(); ++point)
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        rows[i][j] += std::pow(x[point], static_cast<double>(i + j));
      rows[i][n] += std::pow(x[point], static_cast<double>(i)) * y[point];
    }
  return solve(rows, n);
}

} // namespace

std::optional<double> efficiency_length(const std::vector<std::int64_t>& tokens, const std::vector<double>& full,
                                        const std::vector<double>& mechanism) {
  if (tokens.size() < 3) return std::nullopt;
  const double unit = static_cast<double>(tokens.back()); // lengths of about 1 keep the system well conditioned
  std::vector<double> x;
  for (const std::int64_t n : tokens)
    x.push_back(static_cast<double>(n) / unit);
  const auto quadratic = fit(x, full, 3), line = fit(x, mechanism, 2);
  if (!quadratic || !line || (*quadratic)[2] <= 0.0) return std::nullopt;
  const double a = (*quadratic)[2], b = (*quadratic)[1] - (*line)[1], c = (*quadratic)[0] - (*line)[0];
  const double inside = b * b - 4.0 * a * c;
  if (inside < 0.0) return std::nullopt;
  const double crossing = (-b + std::sqrt(inside)) / (2.0 * a) * unit;
  return crossing > 0.0 ? std::optional(crossing) : std::nullopt;
}

std::vector<double> compositional_index(const std::vector<ComparedMetric>& metrics) {
  if (metrics.empty() || metrics.front().values.size() < 2) return {};
  std::vector<double> index(metrics.front().values.size(), 0.0);
  for (const ComparedMetric& metric : metrics) {
    const auto n = static_cast<double>(metric.values.size());
    const double mean = std::accumulate(metric.values.begin(), metric.values.end(), 0.0) / n;
    double variance = 0.0;
    for (const double value : metric.values)
      variance += (value - mean) * (value - mean) / n;
    for (std::size_t i = 0; variance > 0.0 && i < index.size(); ++i)
      index[i] += (metric.less_is_better ? -1.0 : 1.0) * (metric.values[i] - mean) / std::sqrt(variance) /
                  static_cast<double>(metrics.size());
  }
  return index;
}

} // namespace headscope::mechanisms
