// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/vocabulary/patching.h"

namespace headscope {
namespace {

constexpr Named<PatchAxes> axes[] = {
    {PatchAxes::automatic, "auto", "layer_head where the site has heads, else layer_position"},
    {PatchAxes::layer_position, "layer_position", "all heads at one position"},
    {PatchAxes::layer_head, "layer_head", "one head at all positions"},
    {PatchAxes::layer_position_head, "layer_position_head", "one head at one position"},
};

constexpr Named<PatchAverage> averages[] = {
    {PatchAverage::ratio_of_means, "ratio_of_means",
     "(mean patched - mean corrupt) / (mean clean - mean corrupt), as in TransformerLens"},
    {PatchAverage::mean_of_ratios, "mean_of_ratios",
     "mean of (patched - corrupt) / (clean - corrupt): a pair whose metrics are near one another weighs much"},
};

} // namespace

template <> std::span<const Named<PatchAxes>> names_of<PatchAxes>() { return axes; }
template <> std::span<const Named<PatchAverage>> names_of<PatchAverage>() { return averages; }

} // namespace headscope
