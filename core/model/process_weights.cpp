// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/process_weights.h"

#include <ATen/ATen.h>

namespace headscope {
namespace {

bool centers(const ModelConfig& config) {
  return config.norm == NormKind::layer_norm || config.norm == NormKind::layer_norm_pre;
}

// w (norm(x) * s + t) + b = (w s) norm(x) + (b + w t); a centred input sees no mean of the rows of w.
void fold_norm_into(const ModelConfig& config, const NormWeights& norm, at::Tensor& w, at::Tensor& b) {
  if (norm.b.defined()) {
    const at::Tensor shift = at::mv(w, norm.b);
    b = b.defined() ? b + shift : shift;
  }
  if (norm.w.defined()) w = w * norm.w.unsqueeze(0);
  if (centers(config)) w = w - w.mean(1, true);
}

void fold_ln(ModelConfig& config, ModelWeights& weights) {
  for (BlockWeights& block : weights.blocks) {
    fold_norm_into(config, block.ln1, block.w_qkv, block.b_qkv);
    block.ln1 = {};
    if (!config.has_mlp()) continue;
    fold_norm_into(config, block.ln2, block.w_in, block.b_in);
    block.ln2 = {};
  }
  ModelConfig last = {};
  last.norm = config.last_norm();
  fold_norm_into(last, weights.ln_final, weights.w_u, weights.b_u);
  weights.ln_final = {};
  if (config.norm == NormKind::layer_norm) config.norm = NormKind::layer_norm_pre;
}

void center_rows_written(at::Tensor& w, at::Tensor& b) {
  w = w - w.mean(0, true);
  if (b.defined()) b = b - b.mean();
}

void center_writing_weights(const ModelConfig& config, ModelWeights& weights) {
  weights.w_e = weights.w_e - weights.w_e.mean(1, true);
  if (weights.w_pos.defined()) weights.w_pos = weights.w_pos - weights.w_pos.mean(1, true);
  for (BlockWeights& block : weights.blocks) {
    center_rows_written(block.w_o, block.b_o);
    if (config.has_mlp()) center_rows_written(block.w_out, block.b_out);
  }
}

void center_unembed(ModelWeights& weights) {
  weights.w_u = weights.w_u - weights.w_u.mean(0, true);
  if (weights.b_u.defined()) weights.b_u = weights.b_u - weights.b_u.mean();
}

// Attention weights sum to one, so a bias on v reaches the output unchanged.
void fold_value_biases(const ModelConfig& config, ModelWeights& weights) {
  const std::int64_t values = config.n_kv_heads * config.d_head;
  for (BlockWeights& block : weights.blocks) {
    if (!block.b_qkv.defined()) continue;
    const at::Tensor b_v = block.b_qkv.narrow(0, block.b_qkv.size(0) - values, values);
    const at::Tensor by_head = b_v.view({config.n_kv_heads, 1, config.d_head})
                                   .expand({config.n_kv_heads, config.n_heads / config.n_kv_heads, config.d_head})
                                   .reshape({config.n_heads * config.d_head});
    const at::Tensor shift = at::mv(block.w_o, by_head);
    block.b_o = block.b_o.defined() ? block.b_o + shift : shift;
    block.b_qkv = block.b_qkv.clone();
    block.b_qkv.narrow(0, block.b_qkv.size(0) - values, values).zero_();
  }
}

Status check(const WeightProcessing& processing, const ModelConfig& config) {
  if (processing.fold_ln && (config.norm == NormKind::none || !config.final_norm))
    return make_error(ErrorCode::invalid_argument, "this model has no norms to fold", {}, "fold_ln");
  if (processing.center_writing_weights && (!centers(config) || config.post_norms || config.final_norm_kind))
    return make_error(ErrorCode::invalid_argument,
                      "needs LayerNorm, which ignores the mean of what it reads; this model has none", {},
                      "center_writing_weights");
  if (processing.center_unembed && config.final_softcap)
    return make_error(ErrorCode::invalid_argument, "a soft cap on the logits sees their mean", {}, "center_unembed");
  if (processing.fold_value_biases && config.post_norms)
    return make_error(ErrorCode::invalid_argument, "a norm on the attention output sees the bias", {},
                      "fold_value_biases");
  return {};
}

} // namespace

Status process_weights(const WeightProcessing& processing, ModelConfig& config, ModelWeights& weights) {
  HS_TRY(check(processing, config));
  if (processing.fold_ln) fold_ln(config, weights);
  if (processing.center_writing_weights) center_writing_weights(config, weights);
  if (processing.center_unembed) center_unembed(weights);
  if (processing.fold_value_biases) fold_value_biases(config, weights);
  return {};
}

} // namespace headscope
