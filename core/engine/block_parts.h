// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of a block as plain functions without hook points, for circuits computed from the weights alone.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/model/config.h"
#include "core/model/weights.h"

namespace headscope {

// x: [..., d_model] or [..., d_head].
at::Tensor apply_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x);
// Applies the norm before the unembedding; without one, returns x.
at::Tensor apply_final_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x);

// Applies the MLP of a block, with its biases but without its norms. x: [..., d_model].
at::Tensor apply_mlp(const ModelConfig& config, const BlockWeights& block, const at::Tensor& x);
at::Tensor apply_activation(Activation activation, const at::Tensor& x);

} // namespace headscope
