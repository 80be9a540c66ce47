// SPDX-License-Identifier: GPL-3.0-or-later
// OPT: learned positions that begin at row 2, ReLU, biases everywhere.
#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure(ConfigFields& fields, ModelConfig& config) {
  configure_shape(fields, config);
  if (!fields.status().ok()) return;
  config.d_mlp = fields.size({"ffn_dim"});
  config.norm_has_weights = fields.flag({"layer_norm_elementwise_affine"}, true);
  config.norm = config.norm_has_weights ? NormKind::layer_norm : NormKind::layer_norm_pre;
  config.final_norm = !fields.flag({"_remove_final_layer_norm"}, false);
  config.norm_eps = 1e-5;
  config.activation = activation_from(fields, {"activation_function"}, "relu");
  config.gated_mlp = false;
  config.tied_embeddings = fields.flag({"tie_word_embeddings"}, true);
  config.attention_bias = config.mlp_bias = fields.flag({"enable_bias"}, true);
  config.positions = PositionKind::learned;
  config.learned_position_offset = 2;
  if (!fields.flag({"do_layer_norm_before"}, true)) // opt-350m
    fields.fail(ErrorCode::unsupported, "post-norm OPT is not supported", "do_layer_norm_before");
  if (fields.integer({"word_embed_proj_dim"}, config.d_model) != config.d_model)
    fields.fail(ErrorCode::unsupported, "a projected embedding is not supported", "word_embed_proj_dim");
}

} // namespace

Family opt_family() {
  Family family;
  family.id = "opt";
  family.model_types = {"opt"};
  family.configure = configure;
  TensorNames& names = family.hugging_face.names;
  names.prefixes = {"model.decoder.", "decoder.", ""};
  names.embed = "embed_tokens.weight";
  names.pos_embed = "embed_positions.weight";
  names.unembed = "?/lm_head.weight";
  names.ln_final_w = "final_layer_norm.weight";
  names.ln_final_b = "final_layer_norm.bias";
  names.ln1_w = "layers.{}.self_attn_layer_norm.weight";
  names.ln1_b = "layers.{}.self_attn_layer_norm.bias";
  names.ln2_w = "layers.{}.final_layer_norm.weight";
  names.ln2_b = "layers.{}.final_layer_norm.bias";
  names.q_w = "layers.{}.self_attn.q_proj.weight";
  names.q_b = "?layers.{}.self_attn.q_proj.bias";
  names.k_w = "layers.{}.self_attn.k_proj.weight";
  names.k_b = "?layers.{}.self_attn.k_proj.bias";
  names.v_w = "layers.{}.self_attn.v_proj.weight";
  names.v_b = "?layers.{}.self_attn.v_proj.bias";
  names.o_w = "layers.{}.self_attn.out_proj.weight";
  names.o_b = "?layers.{}.self_attn.out_proj.bias";
  names.in_w = "layers.{}.fc1.weight";
  names.in_b = "?layers.{}.fc1.bias";
  names.out_w = "layers.{}.fc2.weight";
  names.out_b = "?layers.{}.fc2.bias";
  return family;
}

} // namespace headscope
