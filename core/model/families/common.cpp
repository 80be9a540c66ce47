// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include "core/model/families/family.h"

namespace headscope {

void configure_shape(ConfigFields& fields, ModelConfig& config) {
  config.d_model = fields.integer({"hidden_size", "n_embd", "d_model"});
  config.n_layers = fields.integer({"num_hidden_layers", "n_layer", "n_layers"});
  config.n_heads = fields.integer({"num_attention_heads", "n_head", "n_heads"});
  config.n_kv_heads = fields.integer({"num_key_value_heads", "n_key_value_heads"}, config.n_heads);
  config.d_vocab = fields.integer({"vocab_size", "d_vocab"});
  config.n_ctx = fields.integer({"max_position_embeddings", "n_positions", "n_ctx"});
  for (const auto& [value, name] : {std::pair(config.d_model, "hidden_size"),
                                    {config.n_layers, "num_hidden_layers"},
                                    {config.n_heads, "num_attention_heads"},
                                    {config.n_kv_heads, "num_key_value_heads"},
                                    {config.d_vocab, "vocab_size"},
                                    {config.n_ctx, "max_position_embeddings"}})
    if (value < 1 || value > (std::int64_t{1} << 31))
      fields.fail(ErrorCode::corrupt, "must be a positive number, is " + std::to_string(value), name);
  if (!fields.status().ok()) return;
  if (config.n_layers > 4096) fields.fail(ErrorCode::corrupt, "is not plausible", "num_hidden_layers");
  if (config.n_heads % config.n_kv_heads != 0)
    fields.fail(ErrorCode::corrupt, "must divide the " + std::to_string(config.n_heads) + " attention heads",
                "num_key_value_heads");
  config.d_head = fields.integer({"head_dim", "d_head"}, config.d_model / config.n_heads);
  if (config.d_head < 1) fields.fail(ErrorCode::corrupt, "must be a positive number", "head_dim");
  config.attn_scale = 1.0 / std::sqrt(static_cast<double>(config.d_head));
  if (fields.has("tie_word_embeddings")) config.tied_embeddings = fields.flag({"tie_word_embeddings"}, false);
  if (fields.status().ok()) config.layers.assign(static_cast<std::size_t>(config.n_layers), LayerConfig{});
}

Activation activation_from(ConfigFields& fields, Keys keys, const std::string& otherwise) {
  const std::string name = fields.string(keys, otherwise);
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "relu") return Activation::relu;
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::gelu_tanh;
  fields.fail(ErrorCode::unsupported, "activation '" + name + "' is not known; known: silu relu gelu gelu_new",
              *keys.begin());
  return Activation::silu;
}

const nlohmann::json& rope_parameters(const ConfigFields& fields) {
  return fields.object({"rope_parameters", "rope_scaling"});
}

namespace {

RopeScalingKind scaling_kind(ConfigFields& fields, ConfigFields& parameters) {
  const std::string name = parameters.string({"rope_type", "type"}, "default");
  if (name == "default") return RopeScalingKind::none;
  if (name == "linear") return RopeScalingKind::linear;
  if (name == "dynamic") return RopeScalingKind::dynamic;
  if (name == "llama3") return RopeScalingKind::llama3;
  if (name == "yarn") return RopeScalingKind::yarn;
  fields.fail(ErrorCode::unsupported, "'" + name + "' is not known; known: default linear dynamic llama3 yarn",
              "rope_parameters.rope_type");
  return RopeScalingKind::none;
}

RopeScaling scaling_from(ConfigFields& fields, ConfigFields& parameters) {
  RopeScaling scaling;
  scaling.kind = scaling_kind(fields, parameters);
  if (scaling.kind == RopeScalingKind::none) return scaling;
  const std::int64_t context = fields.integer({"max_position_embeddings", "n_positions", "n_ctx"});
  scaling.factor = parameters.number({"factor"}, 0.0);
  if (!(scaling.factor >= 1.0))
    fields.fail(ErrorCode::corrupt, "must be a number of at least 1", "rope_parameters.factor");
  // Dynamic scaling is relative to the context of the config itself, whatever else is written there.
  scaling.original_max_position =
      scaling.kind == RopeScalingKind::dynamic
          ? context
          : parameters.integer({"original_max_position_embeddings"},
                               fields.integer({"original_max_position_embeddings"}, context));
  scaling.low_freq_factor = parameters.number({"low_freq_factor"}, 1.0);
  scaling.high_freq_factor = parameters.number({"high_freq_factor"}, 4.0);
  scaling.beta_fast = parameters.number({"beta_fast"}, 32.0);
  scaling.beta_slow = parameters.number({"beta_slow"}, 1.0);
  scaling.attention_factor = parameters.optional_number({"attention_factor"});
  scaling.mscale = parameters.optional_number({"mscale"});
  scaling.mscale_all_dim = parameters.optional_number({"mscale_all_dim"});
  scaling.truncate = parameters.flag({"truncate"}, true);
  return scaling;
}

} // namespace

RotaryConfig rotary_from(ConfigFields& fields, const nlohmann::json& json, std::int64_t d_head, double default_theta,
                         double default_partial) {
  ConfigFields parameters(json, fields.file());
  RotaryConfig rotary;
  rotary.theta = parameters.number({"rope_theta"}, default_theta);
  const double partial = parameters.number({"partial_rotary_factor"}, default_partial);
  rotary.dim = static_cast<std::int64_t>(static_cast<double>(d_head) * partial);
  if (rotary.dim < 2 || rotary.dim > d_head || rotary.dim % 2 != 0)
    fields.fail(ErrorCode::corrupt,
                "rotates " + std::to_string(rotary.dim) + " of " + std::to_string(d_head) +
                    " dimensions; must be even and fit the head",
                "partial_rotary_factor");
  rotary.scaling = scaling_from(fields, parameters);
  if (!parameters.status().ok()) {
    const Error error = parameters.status().error();
    fields.fail(error.code, error.message, "rope_parameters." + error.field);
  }
  return rotary;
}

void configure_llama_like(ConfigFields& fields, ModelConfig& config) {
  configure_shape(fields, config);
  if (!fields.status().ok()) return;
  config.d_mlp = fields.integer({"intermediate_size"});
  config.norm = NormKind::rms_norm;
  config.norm_eps = fields.number({"rms_norm_eps"}, 1e-6);
  config.activation = activation_from(fields, {"hidden_act", "hidden_activation"}, "silu");
  config.gated_mlp = true;
  config.positions = PositionKind::rotary;
  config.rotary = {rotary_from(fields, rope_parameters(fields), config.d_head, fields.number({"rope_theta"}, 10000.0))};
  // Dynamic scaling has no end of its own: the factor says how far the context was meant to stretch.
  const RopeScaling& scaling = config.rotary[0].scaling;
  if (scaling.kind == RopeScalingKind::dynamic)
    config.n_ctx = static_cast<std::int64_t>(static_cast<double>(config.n_ctx) * scaling.factor);
}

void configure_windows(ConfigFields& fields, ModelConfig& config, std::int64_t window,
                       bool (*otherwise)(std::int64_t layer, ConfigFields& fields)) {
  if (window < 1) return fields.fail(ErrorCode::corrupt, "must be a positive number", "sliding_window");
  const std::vector<std::string> types = fields.strings("layer_types");
  if (!types.empty() && types.size() != config.layers.size())
    return fields.fail(ErrorCode::corrupt, "must have one entry a layer", "layer_types");
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    if (!types.empty() && types[i] != "sliding_attention" && types[i] != "full_attention")
      return fields.fail(ErrorCode::unsupported, "'" + types[i] + "' is not known", "layer_types");
    const bool sliding = types.empty() ? otherwise(static_cast<std::int64_t>(i), fields) : types[i][0] == 's';
    if (sliding) config.layers[i].window = window;
  }
}

TensorNames llama_names() {
  TensorNames names;
  names.prefixes = {"model.", "", "model.language_model.", "language_model.model."};
  names.embed = "embed_tokens.weight";
  names.unembed = "?/lm_head.weight";
  names.ln_final_w = "norm.weight";
  names.ln1_w = "layers.{}.input_layernorm.weight";
  names.ln2_w = "layers.{}.post_attention_layernorm.weight";
  names.q_w = "layers.{}.self_attn.q_proj.weight";
  names.k_w = "layers.{}.self_attn.k_proj.weight";
  names.v_w = "layers.{}.self_attn.v_proj.weight";
  names.o_w = "layers.{}.self_attn.o_proj.weight";
  names.q_b = "?layers.{}.self_attn.q_proj.bias";
  names.k_b = "?layers.{}.self_attn.k_proj.bias";
  names.v_b = "?layers.{}.self_attn.v_proj.bias";
  names.o_b = "?layers.{}.self_attn.o_proj.bias";
  names.gate_w = "layers.{}.mlp.gate_proj.weight";
  names.in_w = "layers.{}.mlp.up_proj.weight";
  names.out_w = "layers.{}.mlp.down_proj.weight";
  names.gate_b = "?layers.{}.mlp.gate_proj.bias";
  names.in_b = "?layers.{}.mlp.up_proj.bias";
  names.out_b = "?layers.{}.mlp.down_proj.bias";
  return names;
}

TensorNames gguf_names(bool with_biases) {
  TensorNames names;
  names.embed = "token_embd.weight";
  names.unembed = "?output.weight";
  names.ln_final_w = "output_norm.weight";
  names.ln1_w = "blk.{}.attn_norm.weight";
  names.ln2_w = "blk.{}.ffn_norm.weight";
  names.q_w = "blk.{}.attn_q.weight";
  names.k_w = "blk.{}.attn_k.weight";
  names.v_w = "blk.{}.attn_v.weight";
  names.o_w = "blk.{}.attn_output.weight";
  names.q_b = "?blk.{}.attn_q.bias";
  names.k_b = "?blk.{}.attn_k.bias";
  names.v_b = "?blk.{}.attn_v.bias";
  names.o_b = "?blk.{}.attn_output.bias";
  names.gate_w = "blk.{}.ffn_gate.weight";
  names.in_w = "blk.{}.ffn_up.weight";
  names.out_w = "blk.{}.ffn_down.weight";
  if (with_biases) {
    names.ln_final_b = "output_norm.bias";
    names.ln1_b = "blk.{}.attn_norm.bias";
    names.ln2_b = "blk.{}.ffn_norm.bias";
    names.in_b = "blk.{}.ffn_up.bias";
    names.out_b = "blk.{}.ffn_down.bias";
  }
  return names;
}

} // namespace headscope
