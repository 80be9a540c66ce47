// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>

#include "core/model/families/family.h"

namespace headscope {

namespace {

// Refuses fields that change what a model computes but that no family's description reads.
void refuse_what_is_not_run(ConfigFields& fields) {
  if (fields.has("quantization_config"))
    fields.fail(ErrorCode::unsupported, "weights quantised in a Hugging Face folder are not read; take a GGUF file",
                "quantization_config");
  if (fields.flag({"use_bidirectional_attention"}, false))
    fields.fail(ErrorCode::unsupported, "only causal attention is supported", "use_bidirectional_attention");
  if (!fields.flag({"is_causal"}, true))
    fields.fail(ErrorCode::unsupported, "only causal attention is supported", "is_causal");
}

} // namespace

void configure_shape(ConfigFields& fields, ModelConfig& config, std::optional<std::int64_t> default_d_head) {
  refuse_what_is_not_run(fields);
  config.d_model = fields.size({"hidden_size", "n_embd", "d_model"});
  config.n_layers = fields.size({"num_hidden_layers", "n_layer", "n_layers"});
  config.n_heads = fields.size({"num_attention_heads", "n_head", "n_heads"});
  config.n_kv_heads = fields.size({"num_key_value_heads", "n_key_value_heads"}, config.n_heads);
  config.d_vocab = fields.size({"vocab_size", "d_vocab"});
  config.n_ctx = fields.integer({"max_position_embeddings", "n_positions", "n_ctx"});
  if (config.n_ctx < 1 || config.n_ctx > (std::int64_t{1} << 31))
    fields.fail(ErrorCode::corrupt, "must be a positive number, is " + std::to_string(config.n_ctx),
                "max_position_embeddings");
  if (!fields.status().ok()) return;
  if (config.n_layers > 4096) fields.fail(ErrorCode::corrupt, "is not plausible", "num_hidden_layers");
  if (config.n_heads % config.n_kv_heads != 0)
    fields.fail(ErrorCode::corrupt, "must divide the " + std::to_string(config.n_heads) + " attention heads",
                "num_key_value_heads");
  config.d_head = fields.size({"head_dim", "d_head"}, default_d_head.value_or(config.d_model / config.n_heads));
  if (config.d_head < 1 || config.n_heads * config.d_head > ConfigFields::largest_size)
    fields.fail(ErrorCode::corrupt,
                "is " + std::to_string(config.d_head) + ", which does not fit " + std::to_string(config.n_heads) +
                    " attention heads and hidden_size " + std::to_string(config.d_model),
                "head_dim");
  config.attn_scale = 1.0 / std::sqrt(static_cast<double>(config.d_head));
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

ConfigFields rope_parameters(ConfigFields& fields) {
  ConfigFields scaling = fields.inside("rope_scaling");
  return scaling.empty() ? fields.inside("rope_parameters") : scaling;
}

namespace {

constexpr Named<RopeScalingKind> scaling_kinds[] = {
    {RopeScalingKind::none, "default", "positions as they are"},
    {RopeScalingKind::linear, "linear", "positions divided by a factor"},
    {RopeScalingKind::dynamic, "dynamic", "a base that grows with the prompt beyond the original context"},
    {RopeScalingKind::llama3, "llama3", "low frequencies divided by a factor, with a smooth border"},
    {RopeScalingKind::yarn, "yarn", "low frequencies divided by a factor, attention scaled with it"},
};

} // namespace

template <> std::span<const Named<RopeScalingKind>> names_of<RopeScalingKind>() { return scaling_kinds; }

namespace {

RopeScalingKind scaling_kind(ConfigFields& parameters) {
  const auto kind = parse_name<RopeScalingKind>(parameters.string({"rope_type", "type"}, "default"), "rope_type");
  if (kind.ok()) return *kind;
  parameters.fail(ErrorCode::unsupported, kind.error().message, "rope_type");
  return RopeScalingKind::none;
}

// As in transformers, the field beside `rope_parameters` takes precedence.
std::int64_t original_context(ConfigFields& fields, ConfigFields& parameters, std::int64_t context) {
  const char* name = "original_max_position_embeddings";
  return fields.size({name}, parameters.size({name}, context));
}

void read_llama3(ConfigFields& parameters, RopeScaling& scaling) {
  for (const char* name : {"low_freq_factor", "high_freq_factor"})
    if (!parameters.has(name)) parameters.fail(ErrorCode::corrupt, "is missing", name);
  scaling.low_freq_factor = parameters.positive({"low_freq_factor"}, 1.0);
  scaling.high_freq_factor = parameters.positive({"high_freq_factor"}, 4.0);
  if (scaling.high_freq_factor <= scaling.low_freq_factor)
    parameters.fail(ErrorCode::corrupt, "must be above low_freq_factor", "high_freq_factor");
}

void read_yarn(ConfigFields& parameters, RopeScaling& scaling) {
  // As in transformers, 0 stands for the default.
  const auto beta = [&](const char* name, double otherwise) {
    const double value = parameters.not_negative({name}, otherwise);
    return value == 0.0 ? otherwise : value;
  };
  scaling.beta_fast = beta("beta_fast", 32.0);
  scaling.beta_slow = beta("beta_slow", 1.0);
  scaling.attention_factor = parameters.positive_or_null({"attention_factor"}, std::nullopt);
  scaling.mscale = parameters.optional_number({"mscale"});
  scaling.mscale_all_dim = parameters.optional_number({"mscale_all_dim"});
  scaling.truncate = parameters.flag({"truncate"}, true);
  scaling.extrapolation = parameters.number({"extrapolation_factor"}, 1.0);
}

RopeScaling scaling_from(ConfigFields& fields, ConfigFields& parameters, std::int64_t context) {
  RopeScaling scaling;
  scaling.kind = scaling_kind(parameters);
  if (scaling.kind == RopeScalingKind::none) return scaling;
  // Dynamic scaling is relative to the config's own context length, whatever else the config says.
  scaling.original_max_position = context;
  if (scaling.kind == RopeScalingKind::llama3 || scaling.kind == RopeScalingKind::yarn)
    scaling.original_max_position = original_context(fields, parameters, context);
  std::optional<double> factor = parameters.optional_number({"factor"});
  if (!factor && scaling.kind == RopeScalingKind::yarn && parameters.json().contains("factor"))
    factor = static_cast<double>(context) / static_cast<double>(scaling.original_max_position);
  if (!factor || !(*factor > 0.0) || *factor > 1e6)
    parameters.fail(ErrorCode::corrupt, "must be a positive number, at most 1000000", "factor");
  scaling.factor = factor.value_or(1.0);
  if (scaling.kind == RopeScalingKind::llama3) read_llama3(parameters, scaling);
  if (scaling.kind == RopeScalingKind::yarn) read_yarn(parameters, scaling);
  return scaling;
}

} // namespace

RotaryConfig rotary_from(ConfigFields& fields, ConfigFields parameters, const ModelConfig& config, double default_theta,
                         double share) {
  RotaryConfig rotary;
  rotary.theta = parameters.positive({"rope_theta"}, default_theta);
  rotary.unrounded_dim = static_cast<std::int64_t>(static_cast<double>(config.d_head) * std::min(share, 2.0));
  rotary.dim = rotary.unrounded_dim + rotary.unrounded_dim % 2;
  if (rotary.dim < 2 || rotary.dim > config.d_head)
    fields.fail(ErrorCode::corrupt,
                "rotates " + std::to_string(rotary.unrounded_dim) + " of " + std::to_string(config.d_head) +
                    " dimensions; an even number must fit the head",
                "partial_rotary_factor");
  rotary.scaling = scaling_from(fields, parameters, config.n_ctx);
  fields.adopt(parameters);
  return rotary;
}

void divide_scores_by_layer(ModelConfig& config) {
  for (std::size_t i = 0; i < config.layers.size(); ++i)
    config.layers[i].score_factor = 1.0 / static_cast<double>(i + 1);
}

void stretch_context(ModelConfig& config) {
  const RopeScaling& scaling = config.rotary.front().scaling;
  const bool all_scaled = std::all_of(config.rotary.begin(), config.rotary.end(), [](const RotaryConfig& one) {
    return one.scaling.kind != RopeScalingKind::none;
  });
  if (!all_scaled && scaling.kind != RopeScalingKind::yarn) return;
  constexpr double most = 1LL << 31; // as configure_shape() allows
  const double reached = std::min(static_cast<double>(scaling.original_max_position) * scaling.factor, most);
  config.n_ctx = std::max(config.n_ctx, static_cast<std::int64_t>(reached));
}

std::optional<std::int64_t> window_from(ConfigFields& fields, std::optional<std::int64_t> otherwise) {
  if (const auto written = fields.optional_integer({"sliding_window"}); written && *written == 0) return std::nullopt;
  return fields.size_or_null({"sliding_window"}, otherwise);
}

void configure_llama_like(ConfigFields& fields, ModelConfig& config, std::optional<std::int64_t> default_d_head) {
  configure_shape(fields, config, default_d_head);
  if (!fields.status().ok()) return;
  config.d_mlp = fields.size({"intermediate_size"});
  config.norm = NormKind::rms_norm;
  config.norm_eps = fields.not_negative({"rms_norm_eps"}, 1e-6);
  config.activation = activation_from(fields, {"hidden_act"}, "silu");
  config.gated_mlp = true;
  config.tied_embeddings = fields.flag({"tie_word_embeddings"}, false);
  config.attention_bias = fields.flag({"attention_bias"}, false);
  config.mlp_bias = false;
  config.positions = PositionKind::rotary;
  config.rotary = {rotary_from(fields, rope_parameters(fields), config, fields.positive({"rope_theta"}, 10000.0))};
  stretch_context(config);
}

void configure_windows(ConfigFields& fields, ModelConfig& config, std::int64_t window,
                       bool (*otherwise)(std::int64_t layer, ConfigFields& fields)) {
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
  names.prefixes = {"model.", "", "model.language_model.", "language_model.model.", "model.text_model."};
  names.embed = "embed_tokens.weight";
  names.unembed = "?/lm_head.weight|/language_model.lm_head.weight";
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
  names.qkv_w = "?blk.{}.attn_qkv.weight";
  names.qkv_b = "?blk.{}.attn_qkv.bias";
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
