// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/rotary.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <ATen/ATen.h>

#include "core/engine/device_parts.h"

namespace headscope {
namespace {

constexpr double two_pi = 6.283185307179586476925286766559;

// base ^ (2i / dim), in float32 as the reference computes it.
at::Tensor position_frequencies(std::int64_t dim, double base) {
  return at::pow(at::Scalar(base), at::arange(0, dim, 2, at::kLong).to(at::kFloat) / static_cast<double>(dim));
}

at::Tensor plain(std::int64_t dim, double base) { return at::reciprocal(position_frequencies(dim, base)); }

std::int64_t exponent_dim(const RotaryConfig& config) {
  return config.unrounded_dim ? config.unrounded_dim : config.dim;
}

at::Tensor dynamic(const RotaryConfig& config, std::int64_t length) {
  const RopeScaling& scaling = config.scaling;
  const auto original = static_cast<double>(scaling.original_max_position);
  const double used = std::max(static_cast<double>(length), original);
  const auto dim = static_cast<double>(exponent_dim(config));
  const double stretch = scaling.factor * used / original - (scaling.factor - 1.0);
  return plain(exponent_dim(config), config.theta * std::pow(stretch, dim / (dim - 2.0)));
}

at::Tensor llama3(const RotaryConfig& config) {
  const RopeScaling& scaling = config.scaling;
  const auto original = static_cast<double>(scaling.original_max_position);
  const at::Tensor inverse = plain(exponent_dim(config), config.theta);
  const at::Tensor wavelength = at::reciprocal(inverse) * two_pi;
  const double low = original / scaling.low_freq_factor, high = original / scaling.high_freq_factor;
  const at::Tensor slowed = at::where(wavelength > low, inverse / scaling.factor, inverse);
  const at::Tensor smooth = (at::reciprocal(wavelength) * original - scaling.low_freq_factor) /
                            (scaling.high_freq_factor - scaling.low_freq_factor);
  const at::Tensor blended = (1 - smooth) * slowed / scaling.factor + smooth * slowed;
  const at::Tensor medium = wavelength.ge(high).logical_and(wavelength.le(low));
  return at::where(medium, blended, slowed);
}

double yarn_attention_factor(const RopeScaling& scaling) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  const auto mscale = [&](double weight) {
    return scaling.factor <= 1.0 ? 1.0 : 0.1 * weight * std::log(scaling.factor) + 1.0;
  };
  if (scaling.mscale && scaling.mscale_all_dim && *scaling.mscale != 0.0 && *scaling.mscale_all_dim != 0.0)
    return mscale(*scaling.mscale) / mscale(*scaling.mscale_all_dim);
  return mscale(1.0);
}

at::Tensor yarn(const RotaryConfig& config) {
  const RopeScaling& scaling = config.scaling;
  const auto dim = static_cast<double>(config.dim);
  // The dimension that makes this many rotations within the original context.
  const auto correction = [&](double rotations) {
    return dim * std::log(static_cast<double>(scaling.original_max_position) / (rotations * two_pi)) /
           (2.0 * std::log(config.theta));
  };
  double low = correction(scaling.beta_fast), high = correction(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  const at::Tensor frequencies = position_frequencies(config.dim, config.theta);
  const at::Tensor ramp = ((at::arange(config.dim / 2, at::kFloat) - low) / (high - low)).clamp(0, 1);
  const at::Tensor keep = (1 - ramp) * scaling.extrapolation;
  return at::reciprocal(frequencies * scaling.factor) * (1 - keep) + at::reciprocal(frequencies) * keep;
}

} // namespace

InverseFrequencies inverse_frequencies(const RotaryConfig& config, std::int64_t length) {
  InverseFrequencies result;
  switch (config.scaling.kind) {
  case RopeScalingKind::none: result.values = plain(exponent_dim(config), config.theta); break;
  case RopeScalingKind::linear:
    result.values = plain(exponent_dim(config), config.theta) / config.scaling.factor;
    break;
  case RopeScalingKind::dynamic: result.values = dynamic(config, length); break;
  case RopeScalingKind::llama3: result.values = llama3(config); break;
  case RopeScalingKind::yarn:
    result.values = yarn(config);
    result.attention_factor = yarn_attention_factor(config.scaling);
    break;
  }
  if (!config.freq_factors.empty()) result.values = result.values / at::tensor(config.freq_factors, at::kFloat);
  return result;
}

namespace {

// Frequencies [1 or row, 1, dim / 2]: one row for all where the rows' lengths are equal, or differ without effect.
at::Tensor by_row(const RotaryConfig& config, const std::vector<std::int64_t>& lengths) {
  std::map<std::int64_t, at::Tensor> of_length;
  std::vector<at::Tensor> rows;
  for (const std::int64_t length : lengths) {
    const std::int64_t used = std::max(length, config.scaling.original_max_position);
    at::Tensor& values = of_length[used];
    if (!values.defined()) values = inverse_frequencies(config, used).values;
    rows.push_back(values);
  }
  if (of_length.size() == 1) rows.resize(1);
  return at::stack(rows).unsqueeze(1);
}

} // namespace

RotaryTables rotary_tables(const RotaryConfig& config, const at::Tensor& positions,
                           const std::vector<std::int64_t>& lengths, at::ScalarType dtype) {
  InverseFrequencies inverse = inverse_frequencies(config, lengths.empty() ? 1 : lengths.front());
  if (config.scaling.kind == RopeScalingKind::dynamic) inverse.values = by_row(config, lengths);
  const at::Tensor angles = positions.to(at::kFloat).unsqueeze(-1) * inverse.values.to(positions.device());
  const at::Tensor both = at::cat({angles, angles}, -1).unsqueeze(2);
  return {(both.cos() * inverse.attention_factor).to(dtype), (both.sin() * inverse.attention_factor).to(dtype)};
}

at::Tensor apply_rotary(const at::Tensor& x, const RotaryTables& tables) {
  if (at::Tensor y = rotary_on_device(x, tables); y.defined()) return y;
  const std::int64_t dim = tables.cos.size(-1), d_head = x.size(-1);
  const at::Tensor turned = dim == d_head ? x : x.narrow(-1, 0, dim);
  const at::Tensor rotated_half = at::cat({-turned.narrow(-1, dim / 2, dim / 2), turned.narrow(-1, 0, dim / 2)}, -1);
  const at::Tensor out = turned * tables.cos + rotated_half * tables.sin;
  return dim == d_head ? out : at::cat({out, x.narrow(-1, dim, d_head - dim)}, -1);
}

} // namespace headscope
