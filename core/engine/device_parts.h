// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a block that a GPU does in one pass each (kernels/cuda/elementwise.h). Each answers with an undefined
// tensor where it does not apply: on the CPU, in a differentiated run, without the module, or for another layout. The
// caller then goes the plain way, which gives the same numbers.
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

// onto + x W^T + b (onto: undefined for none) of float32 on the tensor cores, as three products of halves with sums in
// float32: near float32's own accuracy (22 bits of each factor), several times as fast (Ootomo and Yokota 2203.03341).
// Not for |x| > 4e6.
at::Tensor split_linear_on_device(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                  const at::Tensor& onto = {});
// A whole MLP without gate so: onto + activation(x W_in^T + b_in) W_out^T + b_out.
at::Tensor split_mlp_on_device(Activation activation, const BlockWeights& block, const at::Tensor& x,
                               const at::Tensor& onto);

} // namespace headscope
