// SPDX-License-Identifier: GPL-3.0-or-later
// Turns gradients at q, k or v into gradients at each head's input from the residual stream, before the norm, without
// the copy of the residual for each head that splitting it would make.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/model/config.h"
#include "core/model/weights.h"

namespace headscope {

// Selects q, k or v: rows of w_qkv, counted in heads.
struct HeadRows {
  std::int64_t first = 0, count = 0;
};

// resid: [copies * row, pos, d_model], copy by copy; values and gradients: [copies * row, pos, head_index, d_head] as
// projected, before QK norm and rotary. Returns the sum over copies, float32 [head_index, row, pos, d_model].
//
// With y = W (w * x r) + b, r = 1 / rms(x), the gradient at x is  w * W^T (r g) - x (r^2 / d) ((y - b) . g): the first
// term is linear in r g, which is summed over copies while it has d_head numbers; the second has one number a head. A
// LayerNorm has x - mean(x) in place of x, and the mean subtracted from the first term.
at::Tensor head_input_gradients(const ModelConfig& config, const BlockWeights& block, const HeadRows& heads,
                                const at::Tensor& resid, const at::Tensor& values, const at::Tensor& gradients,
                                std::int64_t copies);

} // namespace headscope
