// SPDX-License-Identifier: GPL-3.0-or-later
// Models saved with TransformerLens's own config and state-dict names, attention-only ones among them
// (https://github.com/TransformerLensOrg/TransformerLens, HookedTransformerConfig).
#include <cmath>

#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure_norm(ConfigFields& fields, ModelConfig& config) {
  const std::string norm = fields.string({"normalization_type"}, "none");
  if (norm == "LN")
    config.norm = NormKind::layer_norm;
  else if (norm == "LNPre")
    config.norm = NormKind::layer_norm_pre;
  else if (norm == "RMS" || norm == "RMSPre")
    config.norm = NormKind::rms_norm;
  else if (norm == "none")
    config.norm = NormKind::none;
  else
    fields.fail(ErrorCode::unsupported, "'" + norm + "' is not known; known: LN LNPre RMS RMSPre null",
                "normalization_type");
  config.norm_has_weights = norm == "LN" || norm == "RMS";
  config.norm_eps = fields.not_negative({"eps"}, 1e-5);
}

void configure_positions(ConfigFields& fields, ModelConfig& config) {
  const std::string kind = fields.string({"positional_embedding_type"}, "standard");
  if (kind == "standard") {
    config.positions = PositionKind::learned;
  } else if (kind == "rotary") {
    config.positions = PositionKind::rotary;
    RotaryConfig rotary;
    rotary.dim = fields.integer({"rotary_dim"}, config.d_head);
    rotary.theta = fields.positive({"rotary_base"}, 10000.0);
    if (rotary.dim < 2 || rotary.dim > config.d_head || rotary.dim % 2 != 0)
      fields.fail(ErrorCode::corrupt, "must be even and fit the head", "rotary_dim");
    if (fields.flag({"rotary_adjacent_pairs"}, false))
      fields.fail(ErrorCode::unsupported, "is not supported", "rotary_adjacent_pairs");
    config.rotary = {rotary};
  } else {
    fields.fail(ErrorCode::unsupported, "'" + kind + "' is not known; known: standard rotary",
                "positional_embedding_type");
  }
}

void configure(ConfigFields& fields, ModelConfig& config) {
  configure_shape(fields, config);
  if (!fields.status().ok()) return;
  configure_norm(fields, config);
  configure_positions(fields, config);
  config.parallel_residual = fields.flag({"parallel_attn_mlp"}, false);
  config.gated_mlp = fields.flag({"gated_mlp"}, false);
  if (!fields.flag({"attn_only"}, false)) {
    config.d_mlp = fields.size({"d_mlp"}, 4 * config.d_model);
    config.activation = activation_from(fields, {"act_fn"}, "relu");
  }
  if (!fields.flag({"use_attn_scale"}, true))
    config.attn_scale = 1.0;
  else if (const auto scale = fields.optional_number({"attn_scale"}); scale && *scale > 0)
    config.attn_scale = 1 / *scale;
  if (fields.flag({"use_local_attn"}, false)) fields.fail(ErrorCode::unsupported, "is not supported", "use_local_attn");
  if (fields.string({"attention_dir"}, "causal") != "causal")
    fields.fail(ErrorCode::unsupported, "only causal attention is supported", "attention_dir");
}

} // namespace

Family hooked_transformer_family() {
  Family family;
  family.id = "hooked_transformer";
  family.model_types = {"hooked_transformer"};
  family.configure = configure;
  TensorNames& names = family.hugging_face.names;
  names.embed = "embed.W_E";
  names.pos_embed = "pos_embed.W_pos";
  names.unembed = "unembed.W_U";
  names.unembed_b = "?unembed.b_U";
  names.ln_final_w = "ln_final.w";
  names.ln_final_b = "ln_final.b";
  names.ln1_w = "blocks.{}.ln1.w";
  names.ln1_b = "blocks.{}.ln1.b";
  names.ln2_w = "blocks.{}.ln2.w";
  names.ln2_b = "blocks.{}.ln2.b";
  names.q_w = "blocks.{}.attn.W_Q";
  names.q_b = "?blocks.{}.attn.b_Q";
  names.k_w = "blocks.{}.attn.W_K";
  names.k_b = "?blocks.{}.attn.b_K";
  names.v_w = "blocks.{}.attn.W_V";
  names.v_b = "?blocks.{}.attn.b_V";
  names.o_w = "blocks.{}.attn.W_O";
  names.o_b = "?blocks.{}.attn.b_O";
  names.gate_w = "blocks.{}.mlp.W_gate";
  names.in_w = "blocks.{}.mlp.W_in";
  names.in_b = "?blocks.{}.mlp.b_in";
  names.out_w = "blocks.{}.mlp.W_out";
  names.out_b = "?blocks.{}.mlp.b_out";
  family.hugging_face.layout = MatrixLayout::transformer_lens;
  return family;
}

} // namespace headscope
