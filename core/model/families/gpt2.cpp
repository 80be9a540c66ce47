// SPDX-License-Identifier: GPL-3.0-or-later
// GPT-2: LayerNorm, learned positions, one fused q/k/v matrix stored input-first (Conv1D).
#include <cmath>

#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure(ConfigFields& fields, ModelConfig& config) {
  configure_shape(fields, config);
  if (!fields.status().ok()) return;
  config.d_mlp = fields.size({"n_inner", "intermediate_size"}, 4 * config.d_model);
  config.norm = NormKind::layer_norm;
  config.norm_eps = fields.not_negative({"layer_norm_epsilon", "layer_norm_eps"}, 1e-5);
  config.activation = activation_from(fields, {"activation_function"}, "gelu_new");
  config.gated_mlp = false;
  config.tied_embeddings = fields.flag({"tie_word_embeddings"}, true);
  config.positions = PositionKind::learned;
  if (!fields.flag({"scale_attn_weights"}, true)) config.attn_scale = 1.0;
  if (fields.flag({"scale_attn_by_inverse_layer_idx"}, false)) divide_scores_by_layer(config);
  if (fields.flag({"add_cross_attention"}, false))
    fields.fail(ErrorCode::unsupported, "is not supported", "add_cross_attention");
}

} // namespace

Family gpt2_family() {
  Family family;
  family.id = "gpt2";
  family.model_types = {"gpt2"};
  family.gguf_architectures = {"gpt2"};
  family.configure = configure;
  TensorNames& names = family.hugging_face.names;
  names.prefixes = {"transformer.", ""};
  names.embed = "wte.weight";
  names.pos_embed = "wpe.weight";
  names.unembed = "?/lm_head.weight";
  names.ln_final_w = "ln_f.weight";
  names.ln_final_b = "ln_f.bias";
  names.ln1_w = "h.{}.ln_1.weight";
  names.ln1_b = "h.{}.ln_1.bias";
  names.ln2_w = "h.{}.ln_2.weight";
  names.ln2_b = "h.{}.ln_2.bias";
  names.qkv_w = "h.{}.attn.c_attn.weight";
  names.qkv_b = "h.{}.attn.c_attn.bias";
  names.o_w = "h.{}.attn.c_proj.weight";
  names.o_b = "h.{}.attn.c_proj.bias";
  names.in_w = "h.{}.mlp.c_fc.weight";
  names.in_b = "h.{}.mlp.c_fc.bias";
  names.out_w = "h.{}.mlp.c_proj.weight";
  names.out_b = "h.{}.mlp.c_proj.bias";
  family.hugging_face.layout = MatrixLayout::in_out;

  TensorNames& gguf = family.gguf.names;
  gguf = gguf_names(true);
  gguf.pos_embed = "position_embd.weight";
  gguf.gate_w.clear();
  gguf.q_w = gguf.k_w = gguf.v_w = gguf.q_b = gguf.k_b = gguf.v_b = "";
  gguf.qkv_w = "blk.{}.attn_qkv.weight";
  gguf.qkv_b = "blk.{}.attn_qkv.bias";
  gguf.o_b = "blk.{}.attn_output.bias";
  return family;
}

} // namespace headscope
