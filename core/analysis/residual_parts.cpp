// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/residual_parts.h"

#include <ATen/ATen.h>

namespace headscope {

AttentionParts attention_parts(const ModelConfig& config, const BlockWeights& block, const at::Tensor& result) {
  if (!config.post_norms) return {result, block.b_o};
  at::Tensor sum = result.sum(2).to(at::kFloat);
  if (block.b_o.defined()) sum = sum + block.b_o;
  at::Tensor factor = at::rsqrt(sum.square().mean(-1, true) + config.norm_eps); // [batch, pos, 1]
  if (block.ln1_post.w.defined()) factor = factor * block.ln1_post.w;
  AttentionParts parts;
  parts.heads = (result * factor.unsqueeze(2)).to(result.scalar_type());
  if (block.b_o.defined()) parts.bias = (block.b_o * factor).to(result.scalar_type());
  return parts;
}

at::Tensor at_last_token(const at::Tensor& x, const std::vector<std::int64_t>& right_pad) {
  if (right_pad.empty()) return x.select(1, x.size(1) - 1);
  const at::Tensor rows = at::arange(x.size(0), at::TensorOptions().dtype(at::kLong).device(x.device()));
  const at::Tensor last = x.size(1) - 1 - at::tensor(right_pad, at::kLong).to(x.device());
  return at::index(x, {rows, last});
}

} // namespace headscope
