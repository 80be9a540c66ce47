// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/maps/unit_mass.h"

#include <algorithm>

namespace headscope::gui {
namespace {

Status check(MapShape shape, const std::vector<std::int64_t>& begins) {
  if (shape.n_query != shape.n_key)
    return make_error(ErrorCode::unsupported, "units need a map with as many queries as keys");
  const bool ascending = std::adjacent_find(begins.begin(), begins.end(), std::greater_equal<>()) == begins.end();
  if (begins.empty() || begins.front() != 0 || begins.back() >= shape.n_key || !ascending)
    return make_error(ErrorCode::invalid_argument, "units must begin at 0 and ascend within the prompt");
  return {};
}

} // namespace

Result<UnitMass> sum_units(MapShape shape, std::vector<std::int64_t> begins, const ReadBlock& read,
                           const RunControl& control) {
  HS_TRY(check(shape, begins));
  const std::size_t n = begins.size();
  std::vector<std::size_t> unit_of(static_cast<std::size_t>(shape.n_key));
  const auto end_of = [&](std::size_t unit) { return unit + 1 < n ? begins[unit + 1] : shape.n_key; };
  for (std::size_t unit = 0; unit < n; ++unit)
    std::fill(unit_of.begin() + begins[unit], unit_of.begin() + end_of(unit), unit);
  std::vector<double> sums(n * n, 0.0);
  const Block whole{0, shape.n_query, 0, shape.n_key};
  HS_TRY(stream_blocks(shape, whole, read, control, [&](const Block& block, std::span<const float> weights) {
    for (std::int64_t q = block.q_begin; q < block.q_end; ++q) {
      double* row = sums.data() + unit_of[static_cast<std::size_t>(q)] * n;
      const float* weight = weights.data() + (q - block.q_begin) * block.cols();
      const std::int64_t end = std::min(block.k_end, q + 1);
      for (std::int64_t k = block.k_begin; k < end; ++k)
        row[unit_of[static_cast<std::size_t>(k)]] += static_cast<double>(weight[k - block.k_begin]);
    }
    control.report("summing", block.q_end, shape.n_query);
  }));
  UnitMass mass;
  mass.values.resize(n * n, masked_weight);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j)
      mass.values[i * n + j] = static_cast<float>(sums[i * n + j] / static_cast<double>(end_of(i) - begins[i]));
  mass.begins = std::move(begins);
  return mass;
}

} // namespace headscope::gui
