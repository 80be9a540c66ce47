// SPDX-License-Identifier: GPL-3.0-or-later
// Maps values to colours.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "app/figures/figure.h"

namespace headscope::figures {

// What is drawn over a map: a pink that none of its colours resembles, 0xRRGGBB.
inline constexpr std::uint32_t region_color = 0xff4696;

// 0xRRGGBB, lowest value first.
using ColorTable = std::array<std::uint32_t, 256>;
extern const ColorTable viridis_data;
extern const ColorTable vik_data;
const ColorTable& colors_of(ColorMap map);

// A scale whose ends are known. Finite, low < high.
struct ResolvedScale {
  ScaleKind kind = ScaleKind::sequential;
  ColorMap map = ColorMap::viridis;
  bool log = false;
  double low = 0;
  double center = 0; // diverging: in the middle, unless the scale is cut; sequential: low
  double high = 1;
  bool clips_low = false; // some value lies below low (above high)
  bool clips_high = false;

  double position(double value) const;        // 0 … 1, clamped; NaN stays NaN
  std::uint32_t color(double value) const;    // 0xRRGGBB of a value that is not NaN
  std::uint32_t color_at(double share) const; // at a place between the ends, 0 … 1
  // Whether `a` must win over `b` where both share a pixel.
  bool stronger(double a, double b) const;
};

// Fills in what the wanted scale leaves open from the values; NaN and infinities are ignored.
// Returns invalid_argument for ends that are not low < high, or not positive on a logarithmic scale.
Result<ResolvedScale> resolve_scale(const ColorScale& wanted, std::span<const float> values);

} // namespace headscope::figures
