// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of a block that a GPU computes in one pass each (kernels/cuda/elementwise.h). Each returns an undefined tensor
// where it does not apply: on the CPU, in a differentiated run, without the module, or for another layout. The caller
// then uses plain torch operations, which give the same numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/engine/rotary.h"
#include "core/model/config.h"
#include "core/model/weights.h"

namespace headscope {

// x: [..., d]
at::Tensor rms_norm_on_device(const ModelConfig& config, const at::Tensor& weight, const at::Tensor& x);
// in: [..., 2 d], gate first -> [..., d]
at::Tensor gated_on_device(Activation activation, const at::Tensor& in);
// x: [batch, pos, heads, d_head]
at::Tensor rotary_on_device(const at::Tensor& x, const RotaryTables& tables);

// Computes onto + x W^T + b (`onto` may be undefined) in float32 on the tensor cores, as three half-precision products
// summed in float32: near float32's own accuracy (22 bits of each factor), several times as fast (Ootomo and Yokota
// 2203.03341). Not valid for |x| > 4e6.
at::Tensor split_linear_on_device(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                  const at::Tensor& onto = {});
// Computes a whole MLP without a gate in the same way: onto + activation(x W_in^T + b_in) W_out^T + b_out.
at::Tensor split_mlp_on_device(Activation activation, const BlockWeights& block, const at::Tensor& x,
                               const at::Tensor& onto);

} // namespace headscope
