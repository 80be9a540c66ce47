// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/head_input_gradients.h"

#include <ATen/ATen.h>

namespace headscope {
namespace {

bool centers(const ModelConfig& config) {
  return config.norm == NormKind::layer_norm || config.norm == NormKind::layer_norm_pre;
}

bool weighs(const ModelConfig& config, const NormWeights& weights) {
  return weights.w.defined() && config.norm != NormKind::layer_norm_pre && config.norm != NormKind::none;
}

// What is added to the product of the normalized residual: [head_index, d_head], or undefined.
at::Tensor offset_of(const ModelConfig& config, const BlockWeights& block, const at::Tensor& w, const HeadRows& heads) {
  at::Tensor offset;
  if (block.b_qkv.defined())
    offset = block.b_qkv.narrow(0, heads.first * config.d_head, heads.count * config.d_head)
                 .view({heads.count, config.d_head})
                 .to(at::kFloat);
  if (config.norm != NormKind::layer_norm || !block.ln1.b.defined()) return offset;
  const at::Tensor of_norm = at::matmul(w.to(at::kFloat), block.ln1.b.to(at::kFloat));
  return offset.defined() ? offset + of_norm : of_norm;
}

} // namespace

at::Tensor head_input_gradients(const ModelConfig& config, const BlockWeights& block, const HeadRows& heads,
                                const at::Tensor& resid, const at::Tensor& values, const at::Tensor& gradients,
                                std::int64_t copies) {
  const std::int64_t d = config.d_model, e = config.d_head, rows = resid.size(0) / copies, pos = resid.size(1);
  const std::int64_t places = rows * pos;
  const at::Tensor w = block.w_qkv.narrow(0, heads.first * e, heads.count * e).view({heads.count, e, d});
  const at::Tensor g = gradients.to(at::kFloat);
  at::Tensor x = resid.to(at::kFloat), inverse;
  if (centers(config)) x = x - x.mean(-1, true);
  if (config.norm != NormKind::none) inverse = at::rsqrt(x.square().mean(-1, true) + config.norm_eps);
  const at::Tensor scaled = inverse.defined() ? g * inverse.unsqueeze(-1) : g;
  const at::Tensor summed = scaled.reshape({copies, places, heads.count, e}).sum(0).transpose(0, 1);
  at::Tensor out = at::bmm(summed.to(w.scalar_type()), w).to(at::kFloat); // [head_index, row pos, d_model]
  if (weighs(config, block.ln1)) out = out * block.ln1.w.to(at::kFloat);
  if (centers(config)) out = out - out.mean(-1, true);
  if (inverse.defined()) {
    const at::Tensor offset = offset_of(config, block, w, heads);
    const at::Tensor y = offset.defined() ? values.to(at::kFloat) - offset : values.to(at::kFloat);
    const at::Tensor share =
        (y * g).sum(-1) * inverse.square() / static_cast<double>(d); // [copies row, pos, head_index]
    const at::Tensor by_place = share.reshape({copies, places, heads.count}).permute({1, 2, 0});
    out = out - at::bmm(by_place, x.reshape({copies, places, d}).transpose(0, 1)).transpose(0, 1);
  }
  return out.reshape({heads.count, rows, pos, d});
}

} // namespace headscope
