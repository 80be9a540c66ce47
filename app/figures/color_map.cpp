// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/color_map.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headscope::figures {

namespace {

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool empty() const { return low > high; }
};

Extent extent_of(std::span<const float> values, bool positive_only) {
  Extent extent;
  for (const float value : values) {
    if (!std::isfinite(value) || (positive_only && value <= 0)) continue;
    extent.low = std::min(extent.low, static_cast<double>(value));
    extent.high = std::max(extent.high, static_cast<double>(value));
  }
  return extent;
}

// Stops short of the ends: white cells would be invisible on a white page.
const ColorTable& gray_data() {
  static const ColorTable table = [] {
    constexpr double lightest = 0xF4, darkest = 0x08;
    ColorTable gray{};
    for (std::size_t i = 0; i < gray.size(); ++i) {
      const double level = lightest + (darkest - lightest) * static_cast<double>(i) / 255.0;
      gray[i] = static_cast<std::uint32_t>(std::lround(level)) * 0x010101U;
    }
    return gray;
  }();
  return table;
}

bool usable(const std::optional<double>& bound) { return !bound || std::isfinite(*bound); }

Error bad_scale(std::string message) {
  return make_error(ErrorCode::invalid_argument, std::move(message), {}, "scale");
}

void resolve_diverging(const ColorScale& wanted, const Extent& data, ResolvedScale& scale) {
  scale.center = wanted.center.value_or(0.0);
  double arm = 0;
  // A given end decides; without one the data do.
  if (wanted.high) arm = std::max(arm, std::abs(*wanted.high - scale.center));
  if (wanted.low) arm = std::max(arm, std::abs(scale.center - *wanted.low));
  if (!wanted.high && !wanted.low && !data.empty()) {
    arm = std::max(std::abs(data.high - scale.center), std::abs(scale.center - data.low));
  }
  if (arm <= 0) arm = 1;
  scale.low = scale.center - arm;
  scale.high = scale.center + arm;
  if (!wanted.cut || !wanted.low || !wanted.high) return;
  scale.low = *wanted.low;
  scale.high = *wanted.high;
}

void resolve_sequential(const ColorScale& wanted, const Extent& data, ResolvedScale& scale) {
  const double fallback_low = scale.log ? 0.1 : 0.0;
  scale.low = wanted.low.value_or(data.empty() ? std::min(fallback_low, wanted.high.value_or(1.0) / 10) : data.low);
  scale.high = wanted.high.value_or(data.empty() ? scale.low + 1 : data.high);
  // All values are equal, or all are beyond the one given end: leaves room on the other side.
  if (scale.low >= scale.high) {
    const double room = scale.log ? scale.low * 9 : std::max(1.0, std::abs(scale.low) * 0.1);
    if (!wanted.high)
      scale.high = scale.low + room;
    else if (!wanted.low)
      scale.low = scale.log ? scale.high / 10 : scale.high - room;
  }
  scale.center = scale.low;
}

} // namespace

const ColorTable& colors_of(ColorMap map) {
  switch (map) {
  case ColorMap::viridis: return viridis_data;
  case ColorMap::vik: return vik_data;
  case ColorMap::gray: break;
  }
  return gray_data();
}

double ResolvedScale::position(double value) const {
  if (std::isnan(value)) return value;
  if (log) {
    if (value <= low) return 0;
    return std::clamp((std::log(value) - std::log(low)) / (std::log(high) - std::log(low)), 0.0, 1.0);
  }
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

std::uint32_t ResolvedScale::color(double value) const {
  const double share = position(value);
  return color_at(std::isnan(share) ? 0.0 : share);
}

std::uint32_t ResolvedScale::color_at(double share) const {
  double at = share;
  if (kind == ScaleKind::diverging) {
    // In a clipped diverging scale the longer arm reaches the end of its colours, the other goes as far as its length.
    const double above = high - center, below = center - low;
    if (above != below) {
      const double arm = std::max(std::abs(above), std::abs(below));
      at = std::clamp((low + share * (high - low) - (center - arm)) / (2 * arm), 0.0, 1.0);
    }
  }
  return colors_of(map)[static_cast<std::size_t>(std::lround(at * 255))];
}

bool ResolvedScale::stronger(double a, double b) const {
  if (kind == ScaleKind::sequential) return a > b;
  const double from_a = std::abs(a - center);
  const double from_b = std::abs(b - center);
  return from_a > from_b || (from_a == from_b && a > b);
}

Result<ResolvedScale> resolve_scale(const ColorScale& wanted, std::span<const float> values) {
  if (!usable(wanted.low) || !usable(wanted.high) || !usable(wanted.center)) {
    return bad_scale("the ends of a colour scale must be finite numbers");
  }
  if (wanted.low && wanted.high && *wanted.low >= *wanted.high) {
    return bad_scale("the low end of a colour scale must lie below its high end");
  }
  const bool logarithmic = wanted.log && wanted.kind == ScaleKind::sequential;
  if (logarithmic && (wanted.low.value_or(1) <= 0 || wanted.high.value_or(1) <= 0)) {
    return bad_scale("the ends of a logarithmic colour scale must be positive");
  }
  ResolvedScale scale;
  scale.kind = wanted.kind;
  scale.map = wanted.map.value_or(wanted.kind == ScaleKind::sequential ? ColorMap::viridis : ColorMap::vik);
  scale.log = logarithmic;
  const Extent data = extent_of(values, logarithmic);
  if (wanted.kind == ScaleKind::diverging)
    resolve_diverging(wanted, data, scale);
  else
    resolve_sequential(wanted, data, scale);
  // Ends closer than float's precision at this magnitude cannot be told apart.
  if (!(scale.low < scale.high)) return bad_scale("the ends of the colour scale are too close to each other");
  for (const float value : values) {
    if (std::isnan(value)) continue;
    scale.clips_low = scale.clips_low || value < scale.low;
    scale.clips_high = scale.clips_high || value > scale.high;
  }
  return scale;
}

} // namespace headscope::figures
