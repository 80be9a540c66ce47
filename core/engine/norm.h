// SPDX-License-Identifier: GPL-3.0-or-later
// LayerNorm and RMSNorm with TransformerLens's hook points inside.
#pragma once

#include "core/engine/block_parts.h"
#include "core/engine/hook_plan.h"

namespace headscope {

// The norm's hook_scale and hook_normalized; the final norm has final_* and layer -1.
struct NormSite {
  HookPoint scale, normalized;
  int layer = -1;
};

// x: [..., d]. LayerNorm's hook_normalized is its output; RMSNorm's comes before the weight.
at::Tensor apply_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x, HookPlan& plan,
                      const NormSite& site);

// Returns `config` for the final norm, which may be of another kind than the norms of the blocks.
ModelConfig final_norm_config(const ModelConfig& config);

} // namespace headscope
