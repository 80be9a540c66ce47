// SPDX-License-Identifier: GPL-3.0-or-later
// Small models with random weights, one of each kind of architecture.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/engine/engine.h"

namespace headscope::test {

inline constexpr std::int64_t tiny_vocab = 50;

inline ModelConfig tiny_config(const std::string& family) {
  ModelConfig config;
  config.architecture = family;
  config.n_layers = 3;
  config.d_model = 16;
  config.n_heads = config.n_kv_heads = 4;
  config.d_head = 4;
  config.d_mlp = 24;
  config.d_vocab = tiny_vocab;
  config.n_ctx = 64;
  config.attn_scale = 0.5;
  config.layers.resize(3);
  config.rotary = {RotaryConfig{4, 10000.0, {}, {}}};
  if (family == "gpt2") {
    config.norm = NormKind::layer_norm;
    config.positions = PositionKind::learned;
    config.activation = Activation::gelu_tanh;
    config.gated_mlp = false;
  } else if (family == "llama") {
    config.n_kv_heads = 2;
  } else if (family == "gpt_neox") {
    config.norm = NormKind::layer_norm;
    config.parallel_residual = true;
    config.activation = Activation::gelu;
    config.gated_mlp = false;
    config.rotary[0].dim = 2;
  } else if (family == "gemma") {
    config.n_kv_heads = 1;
    config.post_norms = true;
    config.qk_norm = true;
    config.activation = Activation::gelu_tanh;
    config.attn_softcap = 20.0;
    config.final_softcap = 15.0;
    config.embed_scale = 4.0;
    config.layers[1].window = 5;
  } else if (family == "attention_only") {
    config.d_mlp = 0;
    config.norm = NormKind::none;
    config.final_norm = false;
    config.positions = PositionKind::learned;
  }
  return config;
}

inline NormWeights tiny_norm(const ModelConfig& config, std::int64_t d) {
  NormWeights norm;
  if (config.norm == NormKind::none) return norm;
  norm.w = 1.0 + 0.1 * at::randn({d});
  if (config.norm == NormKind::layer_norm) norm.b = 0.1 * at::randn({d});
  return norm;
}

inline at::Tensor tiny_matrix(std::int64_t out, std::int64_t in) {
  return at::randn({out, in}) / std::sqrt(static_cast<double>(in));
}

inline BlockWeights tiny_block(const ModelConfig& config) {
  BlockWeights block;
  const std::int64_t rows = (config.n_heads + 2 * config.n_kv_heads) * config.d_head;
  const bool biased = config.norm == NormKind::layer_norm;
  block.ln1 = tiny_norm(config, config.d_model);
  block.w_qkv = 1.5 * tiny_matrix(rows, config.d_model);
  block.w_o = tiny_matrix(config.d_model, config.n_heads * config.d_head);
  if (biased) block.b_qkv = 0.1 * at::randn({rows});
  if (biased) block.b_o = 0.1 * at::randn({config.d_model});
  if (config.qk_norm) block.q_norm.w = 1.0 + 0.1 * at::randn({config.d_head});
  if (config.qk_norm) block.k_norm.w = 1.0 + 0.1 * at::randn({config.d_head});
  if (config.post_norms) block.ln1_post = tiny_norm(config, config.d_model);
  if (!config.has_mlp()) return block;
  const std::int64_t inner = config.gated_mlp ? 2 * config.d_mlp : config.d_mlp;
  block.ln2 = tiny_norm(config, config.d_model);
  if (config.post_norms) block.ln2_post = tiny_norm(config, config.d_model);
  block.w_in = tiny_matrix(inner, config.d_model);
  block.w_out = tiny_matrix(config.d_model, config.d_mlp);
  if (biased) block.b_in = 0.1 * at::randn({inner});
  if (biased) block.b_out = 0.1 * at::randn({config.d_model});
  return block;
}

inline std::shared_ptr<Model> tiny_model(const std::string& family) {
  at::set_num_threads(1); // the models are too small to share out
  at::manual_seed(17);
  auto model = std::make_shared<Model>();
  model->config = tiny_config(family);
  const ModelConfig& config = model->config;
  model->weights.w_e = at::randn({config.d_vocab, config.d_model});
  if (config.positions == PositionKind::learned) model->weights.w_pos = 0.5 * at::randn({config.n_ctx, config.d_model});
  for (std::int64_t layer = 0; layer < config.n_layers; ++layer)
    model->weights.blocks.push_back(tiny_block(config));
  if (config.final_norm) model->weights.ln_final = tiny_norm(config, config.d_model);
  // Logits of the order of 10 with and without a norm before them.
  model->weights.w_u = tiny_matrix(config.d_vocab, config.d_model) * (config.final_norm ? 3.0 : 0.2);
  return model;
}

inline const std::vector<std::string>& tiny_families() {
  static const std::vector<std::string> names = {"gpt2", "llama", "gpt_neox", "gemma", "attention_only"};
  return names;
}

// Tokens that depend on the seed.
inline std::vector<std::int64_t> tiny_tokens(std::int64_t length, std::int64_t seed) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < length; ++i)
    out.push_back((i * i * 7 + i * (3 + seed) + 11 * seed) % tiny_vocab);
  return out;
}

} // namespace headscope::test
