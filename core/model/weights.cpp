// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/weights.h"

#include <functional>
#include <set>

#include <ATen/ATen.h>

namespace headscope {
namespace {

// Rows [begin, begin + heads * d_head) of w_qkv as [heads, d_model, d_head].
at::Tensor head_rows(const ModelConfig& config, const at::Tensor& w_qkv, std::int64_t begin, std::int64_t heads) {
  return w_qkv.narrow(0, begin * config.d_head, heads * config.d_head)
      .view({heads, config.d_head, config.d_model})
      .transpose(1, 2);
}

} // namespace

at::Tensor view_w_q(const ModelConfig& config, const BlockWeights& block) {
  return head_rows(config, block.w_qkv, 0, config.n_heads);
}

at::Tensor view_w_k(const ModelConfig& config, const BlockWeights& block) {
  return head_rows(config, block.w_qkv, config.n_heads, config.n_kv_heads);
}

at::Tensor view_w_v(const ModelConfig& config, const BlockWeights& block) {
  return head_rows(config, block.w_qkv, config.n_heads + config.n_kv_heads, config.n_kv_heads);
}

at::Tensor view_w_o(const ModelConfig& config, const BlockWeights& block) {
  return block.w_o.view({config.d_model, config.n_heads, config.d_head}).permute({1, 2, 0});
}

namespace {

// Visits each parameter once, including tied ones.
void visit(const ModelWeights& weights, const std::function<void(const at::Tensor&)>& parameter) {
  std::set<const void*> seen;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined() && seen.insert(tensor.storage().data()).second) parameter(tensor);
  };
  const auto add_norm = [&](const NormWeights& norm) {
    add(norm.w);
    add(norm.b);
  };
  add(weights.w_e);
  add_norm(weights.ln_embed);
  add(weights.w_pos);
  add(weights.w_u);
  add(weights.b_u);
  add_norm(weights.ln_final);
  for (const BlockWeights& block : weights.blocks) {
    for (const NormWeights* norm :
         {&block.ln1, &block.ln1_post, &block.ln2, &block.ln2_post, &block.q_norm, &block.k_norm})
      add_norm(*norm);
    for (const at::Tensor* tensor : {&block.w_qkv, &block.b_qkv, &block.w_o, &block.b_o, &block.w_in, &block.b_in,
                                     &block.b_post, &block.w_out, &block.b_out})
      add(*tensor);
  }
}

} // namespace

std::int64_t weight_bytes(const ModelWeights& weights) {
  std::int64_t bytes = 0;
  visit(weights, [&](const at::Tensor& tensor) { bytes += static_cast<std::int64_t>(tensor.storage().nbytes()); });
  return bytes;
}

std::int64_t parameter_count(const ModelWeights& weights) {
  std::int64_t count = 0;
  visit(weights, [&](const at::Tensor& tensor) { count += tensor.numel(); });
  return count;
}

} // namespace headscope
