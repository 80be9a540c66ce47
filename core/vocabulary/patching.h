// SPDX-License-Identifier: GPL-3.0-or-later
// The axes of activation patching, and how pairs are averaged.
#pragma once

#include <cstdint>

#include "core/vocabulary/named.h"

namespace headscope {

enum class PatchAxes : std::uint8_t {
  automatic,           // layer_position for sites without heads, layer_head for sites with
  layer_position,      // all heads at one position
  layer_head,          // one head at all positions
  layer_position_head, // one head at one position
};
template <> std::span<const Named<PatchAxes>> names_of<PatchAxes>();
inline const char* to_string(PatchAxes axes) { return name_of(axes); }

// How pairs are averaged in each cell.
enum class PatchAverage : std::uint8_t {
  ratio_of_means, // (mean patched - mean corrupt) / (mean clean - mean corrupt), as in TransformerLens
  mean_of_ratios, // mean of (patched - corrupt) / (clean - corrupt): a pair that differs little weighs much
};
template <> std::span<const Named<PatchAverage>> names_of<PatchAverage>();
inline const char* to_string(PatchAverage average) { return name_of(average); }

} // namespace headscope
