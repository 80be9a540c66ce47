// SPDX-License-Identifier: GPL-3.0-or-later
// GPT-NeoX and Pythia: attention and MLP in parallel, rotary positions on a part of each head, one fused
// q/k/v matrix whose rows are grouped by head.
#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure(ConfigFields& fields, ModelConfig& config) {
  configure_shape(fields, config);
  if (!fields.status().ok()) return;
  config.d_mlp = fields.size({"intermediate_size"});
  config.norm = NormKind::layer_norm;
  config.norm_eps = fields.not_negative({"layer_norm_eps"}, 1e-5);
  config.activation = activation_from(fields, {"hidden_act"}, "gelu");
  config.gated_mlp = false;
  config.tied_embeddings = fields.flag({"tie_word_embeddings"}, false);
  config.attention_bias = fields.flag({"attention_bias"}, true);
  config.parallel_residual = fields.flag({"use_parallel_residual"}, true);
  config.positions = PositionKind::rotary;
  ConfigFields rope = rope_parameters(fields);
  const double share = rope.positive({"partial_rotary_factor"}, fields.positive({"rotary_pct"}, 0.25));
  config.rotary = {rotary_from(fields, rope, config, fields.positive({"rotary_emb_base"}, 10000.0), share)};
  stretch_context(config);
}

} // namespace

Family gpt_neox_family() {
  Family family;
  family.id = "gpt_neox";
  family.model_types = {"gpt_neox"};
  family.gguf_architectures = {"gptneox"};
  family.configure = configure;
  TensorNames& names = family.hugging_face.names;
  names.prefixes = {"gpt_neox.", ""};
  names.embed = "embed_in.weight";
  names.unembed = "?/embed_out.weight";
  names.ln_final_w = "final_layer_norm.weight";
  names.ln_final_b = "final_layer_norm.bias";
  names.ln1_w = "layers.{}.input_layernorm.weight";
  names.ln1_b = "layers.{}.input_layernorm.bias";
  names.ln2_w = "layers.{}.post_attention_layernorm.weight";
  names.ln2_b = "layers.{}.post_attention_layernorm.bias";
  names.qkv_w = "layers.{}.attention.query_key_value.weight";
  names.qkv_b = "?layers.{}.attention.query_key_value.bias";
  names.o_w = "layers.{}.attention.dense.weight";
  names.o_b = "?layers.{}.attention.dense.bias";
  names.in_w = "layers.{}.mlp.dense_h_to_4h.weight";
  names.in_b = "layers.{}.mlp.dense_h_to_4h.bias";
  names.out_w = "layers.{}.mlp.dense_4h_to_h.weight";
  names.out_b = "layers.{}.mlp.dense_4h_to_h.bias";
  family.hugging_face.qkv_by_head = true;

  TensorNames& gguf = family.gguf.names;
  gguf = gguf_names(true);
  gguf.gate_w.clear();
  gguf.q_w = gguf.k_w = gguf.v_w = gguf.q_b = gguf.k_b = gguf.v_b = "";
  gguf.qkv_w = "blk.{}.attn_qkv.weight";
  gguf.qkv_b = "?blk.{}.attn_qkv.bias";
  return family;
}

} // namespace headscope
