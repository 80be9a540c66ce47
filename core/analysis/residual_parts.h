// SPDX-License-Identifier: GPL-3.0-or-later
// Splits the residual stream into the sum of what the model's parts write to it.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/model/config.h"
#include "core/model/weights.h"

namespace headscope {

// What the attention of one layer adds to the residual; heads and bias add up to hook_attn_out.
struct AttentionParts {
  at::Tensor heads; // [batch, pos, head_index, d_model]
  at::Tensor bias;  // b_O, [d_model] or [batch, pos, d_model]; undefined where there is none
};

// `result`: hook_result [batch, pos, head_index, d_model]. After the post-norm (RMSNorm) of Gemma 2 and 3, each part is
// what it was before it, times the norm's weight over its scale in this run.
AttentionParts attention_parts(const ModelConfig& config, const BlockWeights& block, const at::Tensor& result);

// Selects the last real token of each row: [row, pos, ...] -> [row, ...].
at::Tensor at_last_token(const at::Tensor& x, const std::vector<std::int64_t>& right_pad);

} // namespace headscope
