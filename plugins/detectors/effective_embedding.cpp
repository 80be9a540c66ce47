// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/effective_embedding.h"

#include <ATen/ATen.h>

#include "core/engine/block_parts.h"

namespace headscope {

at::Tensor effective_embedding(const Model& model, const at::Tensor& tokens, const EffectiveEmbedding& how) {
  const ModelConfig& config = model.config;
  const BlockWeights& block = model.weights.blocks.front();
  const at::Tensor embedded = at::embedding(model.weights.w_e, tokens.to(model.device)) * config.embed_scale;
  at::Tensor out = apply_mlp(config, block, how.ln2 ? apply_norm(config, block.ln2, embedded) : embedded);
  if (how.ln2 && config.post_norms) out = apply_norm(config, block.ln2_post, out);
  return (how.residual ? out + embedded : out).to(at::kFloat);
}

std::string describe_embedding(const ModelConfig& config, const EffectiveEmbedding& how) {
  std::string embedded = "W_E[t]";
  if (config.embed_scale != 1.0) embedded = std::to_string(config.embed_scale) + " " + embedded;
  std::string out = "MLP0(" + (how.ln2 ? "ln2(" + embedded + ")" : embedded) + ")";
  if (how.ln2 && config.post_norms) out = "ln2_post(" + out + ")";
  return how.residual ? out + " + " + embedded : out;
}

at::Tensor head_outputs(const Model& model, int layer, const at::Tensor& x, bool biases) {
  const ModelConfig& config = model.config;
  const BlockWeights& block = model.weights.blocks[static_cast<std::size_t>(layer)];
  const std::int64_t group = config.n_heads / config.n_kv_heads, values = config.n_kv_heads * config.d_head;
  at::Tensor v = at::matmul(x.unsqueeze(0), view_w_v(config, block).to(at::kFloat)); // [kv_head, token, d_head]
  if (biases && block.b_qkv.defined())
    v = v + block.b_qkv.narrow(0, block.b_qkv.size(0) - values, values)
                .to(at::kFloat)
                .view({config.n_kv_heads, 1, config.d_head});
  at::Tensor out = at::matmul(v.repeat_interleave(group, 0), view_w_o(config, block).to(at::kFloat));
  if (biases && block.b_o.defined()) out = out + block.b_o.to(at::kFloat);
  return out;
}

at::Tensor read_out(const Model& model, const at::Tensor& written, const at::Tensor& candidates, bool final_norm) {
  const NormWeights& ln = model.weights.ln_final; // float32 like what the heads wrote
  const NormWeights ln32{ln.w.defined() ? ln.w.to(at::kFloat) : ln.w, ln.b.defined() ? ln.b.to(at::kFloat) : ln.b};
  const at::Tensor x = final_norm ? apply_final_norm(model.config, ln32, written) : written;
  const at::Tensor w_u = model.weights.w_u.index_select(0, candidates.to(model.device)).to(at::kFloat);
  return at::matmul(x, w_u.t());
}

} // namespace headscope
