// SPDX-License-Identifier: GPL-3.0-or-later
// Models saved with TransformerLens's own config and state-dict names, attention-only ones among them
// (https://github.com/TransformerLensOrg/TransformerLens, HookedTransformerConfig).
#include <algorithm>
#include <cmath>

#include "core/base/log.h"
#include "core/model/families/family.h"

namespace headscope {
namespace {

// How a field is used.
enum class Use : std::uint8_t {
  read,      // below
  no_effect, // on what a loaded model computes from token ids
  refused,   // unless it is null, false, 0, or not there
};

struct Field {
  const char* name;
  Use use;
};

// Every field of HookedTransformerConfig 3.9, and the additional ones of Headscope's own files.
constexpr Field known_fields[] = {
    {"n_layers", Use::read},
    {"d_model", Use::read},
    {"n_ctx", Use::read},
    {"d_head", Use::read},
    {"n_heads", Use::read},
    {"n_key_value_heads", Use::read},
    {"d_mlp", Use::read},
    {"d_vocab", Use::read},
    {"d_vocab_out", Use::read},
    {"act_fn", Use::read},
    {"eps", Use::read},
    {"normalization_type", Use::read},
    {"final_rms", Use::read},
    {"post_embedding_ln", Use::read},
    {"use_normalization_before_and_after", Use::read},
    {"use_qk_norm", Use::read},
    {"attn_only", Use::read},
    {"gated_mlp", Use::read},
    {"parallel_attn_mlp", Use::read},
    {"use_attn_scale", Use::read},
    {"attn_scale", Use::read},
    {"scale_attn_by_inverse_layer_idx", Use::read},
    {"attn_scores_soft_cap", Use::read},
    {"output_logits_soft_cap", Use::read},
    {"use_local_attn", Use::read},
    {"window_size", Use::read},
    {"attn_types", Use::read},
    {"attention_dir", Use::read},
    {"positional_embedding_type", Use::read},
    {"rotary_dim", Use::read},
    {"rotary_base", Use::read},
    {"rotary_base_local", Use::read},
    {"rotary_scaling_factor", Use::read},
    {"rotary_adjacent_pairs", Use::read},
    {"use_NTK_by_parts_rope", Use::read},
    {"NTK_by_parts_factor", Use::read},
    {"NTK_by_parts_low_freq_factor", Use::read},
    {"NTK_by_parts_high_freq_factor", Use::read},
    {"NTK_original_ctx_len", Use::read},
    {"use_yarn_rope", Use::read},
    {"yarn_factor", Use::read},
    {"yarn_attention_factor", Use::read},
    {"yarn_beta_fast", Use::read},
    {"yarn_beta_slow", Use::read},
    {"yarn_truncate", Use::read},
    {"yarn_global_attn_only", Use::read},
    {"yarn_original_max_position_embeddings", Use::read},
    {"use_dynamic_ntk_rope", Use::read},
    {"use_logn_attn", Use::read},
    {"train_seq_length", Use::read},
    {"original_architecture", Use::read},
    {"num_experts", Use::refused},
    {"experts_per_token", Use::refused},
    {"use_attention_sinks", Use::refused},
    {"clip_qkv", Use::refused},
    {"load_in_4bit", Use::refused},
    {"quantization_method", Use::refused},
    {"relative_attention_max_distance", Use::refused},
    {"relative_attention_num_buckets", Use::refused},
    {"decoder_start_token_id", Use::refused},
    {"norm_topk_prob", Use::no_effect}, // of experts
    {"tie_word_embeddings", Use::no_effect},
    {"uses_rms_norm", Use::no_effect},
    {"layer_norm_folding", Use::no_effect},
    {"model_name", Use::no_effect},
    {"model_type", Use::no_effect},
    {"architectures", Use::no_effect},
    {"torch_dtype", Use::no_effect},
    {"transformers_version", Use::no_effect},
    {"tokenizer_name", Use::no_effect},
    {"tokenizer_prepends_bos", Use::no_effect},
    {"default_prepend_bos", Use::no_effect},
    {"from_checkpoint", Use::no_effect},
    {"checkpoint_index", Use::no_effect},
    {"checkpoint_label_type", Use::no_effect},
    {"checkpoint_value", Use::no_effect},
    {"init_mode", Use::no_effect},
    {"init_weights", Use::no_effect},
    {"initializer_range", Use::no_effect},
    {"seed", Use::no_effect},
    {"device", Use::no_effect},
    {"n_devices", Use::no_effect},
    {"dtype", Use::no_effect},
    {"n_params", Use::no_effect},
    {"trust_remote_code", Use::no_effect},
    {"ungroup_grouped_query_attention", Use::no_effect},
    {"use_attn_result", Use::no_effect},
    {"use_attn_in", Use::no_effect},
    {"use_split_qkv_input", Use::no_effect},
    {"use_hook_mlp_in", Use::no_effect},
    {"use_hook_tokens", Use::no_effect},
    {"bos_token_id", Use::no_effect},
    {"eos_token_id", Use::no_effect},
    {"pad_token_id", Use::no_effect},
    {"quantization_config", Use::no_effect}, // these three are refused by configure_shape()
    {"is_causal", Use::no_effect},
    {"use_bidirectional_attention", Use::no_effect},
};

void look_at_all(ConfigFields& fields) {
  std::string unknown;
  for (const auto& [name, value] : fields.json().items()) {
    const auto* known = std::find_if(std::begin(known_fields), std::end(known_fields),
                                     [&name = name](const Field& field) { return name == field.name; });
    if (known == std::end(known_fields)) {
      unknown += (unknown.empty() ? "" : ", ") + name;
    } else if (known->use == Use::refused) {
      const bool off = value.is_null() || value == false || (value.is_number() && value == 0);
      if (!off) fields.fail(ErrorCode::unsupported, "is not supported", name);
    }
  }
  if (!unknown.empty())
    log::warning(fields.file() + ": not known to Headscope, which passes over them: " + unknown.substr(0, 400));
}

// Reads fields that TransformerLens sets to -1 or null where nothing was chosen.
void configure_sizes(ConfigFields& fields, ModelConfig& config) {
  nlohmann::json chosen = fields.json();
  for (const char* name : {"n_heads", "d_vocab_out"})
    if (chosen.contains(name) && chosen[name] == -1) chosen.erase(name);
  ConfigFields sizes(chosen, fields.file());
  if (!sizes.has("n_heads")) {
    const std::int64_t d_model = sizes.size({"d_model"}), d_head = sizes.size({"d_head"});
    if (sizes.status().ok()) chosen["n_heads"] = d_model / d_head;
  }
  configure_shape(sizes, config);
  config.d_vocab_out = sizes.size({"d_vocab_out"}, config.d_vocab);
  fields.adopt(sizes);
}

void configure_norm(ConfigFields& fields, ModelConfig& config) {
  const bool written = fields.json().contains("normalization_type");
  const std::string norm = fields.string({"normalization_type"}, written ? "none" : "LN");
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
  if (fields.flag({"final_rms"}, false) && norm.starts_with("LN")) config.final_norm_kind = NormKind::rms_norm;
  config.embed_norm = fields.flag({"post_embedding_ln"}, false);
  config.qk_norm = fields.flag({"use_qk_norm"}, false);
  config.post_norms = fields.flag({"use_normalization_before_and_after"}, false) && config.norm != NormKind::none;
  if (config.post_norms && config.norm != NormKind::rms_norm)
    fields.fail(ErrorCode::unsupported, "goes with RMS or RMSPre only, as in TransformerLens",
                "use_normalization_before_and_after");
}

bool scales_by_parts(ConfigFields& fields, RopeScaling& scaling) {
  if (!fields.flag({"use_NTK_by_parts_rope"}, false)) return false;
  scaling.kind = RopeScalingKind::llama3;
  scaling.factor = fields.positive({"NTK_by_parts_factor"}, 8.0);
  scaling.low_freq_factor = fields.positive({"NTK_by_parts_low_freq_factor"}, 1.0);
  scaling.high_freq_factor = fields.positive({"NTK_by_parts_high_freq_factor"}, 4.0);
  scaling.original_max_position = fields.size({"NTK_original_ctx_len"}, 8192);
  if (scaling.high_freq_factor <= scaling.low_freq_factor)
    fields.fail(ErrorCode::corrupt, "must be above NTK_by_parts_low_freq_factor", "NTK_by_parts_high_freq_factor");
  return true;
}

bool scales_by_yarn(ConfigFields& fields, RopeScaling& scaling, bool local) {
  if (!fields.flag({"use_yarn_rope"}, false)) return false;
  if (local && fields.flag({"yarn_global_attn_only"}, false)) return false;
  scaling.kind = RopeScalingKind::yarn;
  scaling.factor = fields.positive({"yarn_factor"}, 1.0);
  scaling.attention_factor = fields.positive({"yarn_attention_factor"}, 1.0);
  scaling.beta_fast = fields.positive({"yarn_beta_fast"}, 32.0);
  scaling.beta_slow = fields.positive({"yarn_beta_slow"}, 1.0);
  scaling.truncate = fields.flag({"yarn_truncate"}, true);
  scaling.original_max_position = fields.size({"yarn_original_max_position_embeddings"}, 4096);
  return true;
}

// The rotary settings of layers with a window (`local`) or of the others.
RotaryConfig rotary_of(ConfigFields& fields, const ModelConfig& config, bool local) {
  RotaryConfig rotary;
  rotary.dim = fields.integer({"rotary_dim"}, config.d_head);
  if (rotary.dim < 2 || rotary.dim > config.d_head || rotary.dim % 2 != 0)
    fields.fail(ErrorCode::corrupt, "must be even and fit the head", "rotary_dim");
  rotary.theta = fields.positive({"rotary_base"}, 10000.0);
  if (local) rotary.theta = fields.positive({"rotary_base_local"}, rotary.theta);
  if (scales_by_parts(fields, rotary.scaling) || scales_by_yarn(fields, rotary.scaling, local)) return rotary;
  const double factor = fields.positive({"rotary_scaling_factor"}, 1.0);
  if (local || factor == 1.0) return rotary;
  rotary.scaling.kind = RopeScalingKind::linear;
  rotary.scaling.factor = factor;
  return rotary;
}

// Refuses settings that act beyond the training length. A model whose context is no longer never has such prompts.
void refuse_beyond_training(ConfigFields& fields, const ModelConfig& config) {
  if (fields.size({"train_seq_length"}, config.n_ctx) >= config.n_ctx) return;
  for (const char* name : {"use_dynamic_ntk_rope", "use_logn_attn"})
    if (fields.flag({name}, false))
      fields.fail(ErrorCode::unsupported, "is not supported where train_seq_length is below n_ctx", name);
}

void configure_positions(ConfigFields& fields, ModelConfig& config) {
  const std::string kind = fields.string({"positional_embedding_type"}, "standard");
  if (kind == "standard") {
    config.positions = PositionKind::learned;
  } else if (kind == "rotary") {
    config.positions = PositionKind::rotary;
    config.rotary = {rotary_of(fields, config, false)};
    config.rotary_adjacent_pairs = fields.flag({"rotary_adjacent_pairs"}, false);
  } else {
    fields.fail(ErrorCode::unsupported, "'" + kind + "' is not known; known: standard rotary",
                "positional_embedding_type");
  }
  refuse_beyond_training(fields, config);
}

void configure_local(ConfigFields& fields, ModelConfig& config) {
  if (!fields.flag({"use_local_attn"}, false)) return;
  const std::int64_t window = fields.size({"window_size"});
  const std::vector<std::string> types = fields.strings("attn_types");
  if (types.size() != config.layers.size())
    return fields.fail(ErrorCode::corrupt, "must have one entry a layer", "attn_types");
  if (config.uses_rotary()) config.rotary.push_back(rotary_of(fields, config, true));
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] != "local" && types[i] != "global")
      return fields.fail(ErrorCode::unsupported, "'" + types[i] + "' is not known; known: global local", "attn_types");
    if (types[i] == "global") continue;
    config.layers[i].window = window;
    config.layers[i].rotary = config.uses_rotary() ? 1 : 0;
  }
}

// Reads a soft cap; -1 and any other number not above 0 means none.
std::optional<double> soft_cap(ConfigFields& fields, const char* name) {
  const double cap = fields.number({name}, -1.0);
  return cap > 0.0 ? std::optional<double>(cap) : std::nullopt;
}

void configure_scores(ConfigFields& fields, ModelConfig& config) {
  if (!fields.flag({"use_attn_scale"}, true))
    config.attn_scale = 1.0;
  else if (const double scale = fields.number({"attn_scale"}, -1.0); scale != -1.0) {
    if (!(scale > 0.0)) fields.fail(ErrorCode::corrupt, "must be a positive number, or -1", "attn_scale");
    config.attn_scale = 1.0 / scale;
  }
  if (fields.flag({"scale_attn_by_inverse_layer_idx"}, false)) divide_scores_by_layer(config);
  config.attn_softcap = soft_cap(fields, "attn_scores_soft_cap");
  config.final_softcap = soft_cap(fields, "output_logits_soft_cap");
  if (fields.string({"attention_dir"}, "causal") != "causal")
    fields.fail(ErrorCode::unsupported, "only causal attention is supported", "attention_dir");
}

void configure_mlp(ConfigFields& fields, ModelConfig& config) {
  config.parallel_residual = fields.flag({"parallel_attn_mlp"}, false);
  config.gated_mlp = fields.flag({"gated_mlp"}, false);
  config.mlp_bias_after_gate = config.gated_mlp;
  if (fields.flag({"attn_only"}, false)) return;
  config.d_mlp = fields.size({"d_mlp"}, 4 * config.d_model);
  config.activation = activation_from(fields, {"act_fn"}, "relu");
}

void configure(ConfigFields& fields, ModelConfig& config) {
  look_at_all(fields);
  configure_sizes(fields, config);
  if (!fields.status().ok()) return;
  configure_norm(fields, config);
  configure_positions(fields, config);
  configure_local(fields, config);
  configure_scores(fields, config);
  configure_mlp(fields, config);
  // TransformerLens applies the norms of these models in another order, whatever the other fields say.
  const std::string origin = fields.string({"original_architecture"}, "");
  if (origin.starts_with("Olmo2") || origin.starts_with("Olmo3") || origin.starts_with("Olmoe"))
    fields.fail(ErrorCode::unsupported, "the norms of " + origin + " are not supported", "original_architecture");
}

} // namespace

Family hooked_transformer_family() {
  Family family;
  family.id = "hooked_transformer";
  family.model_types = {"hooked_transformer"};
  family.configure = configure;
  TensorNames& names = family.hugging_face.names;
  names.embed = "embed.W_E";
  names.ln_embed_w = "embed.ln.w";
  names.ln_embed_b = "embed.ln.b";
  names.pos_embed = "pos_embed.W_pos";
  names.unembed = "unembed.W_U";
  names.unembed_b = "?unembed.b_U";
  names.ln_final_w = "ln_final.w";
  names.ln_final_b = "ln_final.b";
  names.ln1_w = "blocks.{}.ln1.w";
  names.ln1_b = "blocks.{}.ln1.b";
  names.ln1_post_w = "blocks.{}.ln1_post.w";
  names.ln2_w = "blocks.{}.ln2.w";
  names.ln2_b = "blocks.{}.ln2.b";
  names.ln2_post_w = "blocks.{}.ln2_post.w";
  names.q_norm_w = "blocks.{}.attn.q_norm.w";
  names.k_norm_w = "blocks.{}.attn.k_norm.w";
  names.q_w = "blocks.{}.attn.W_Q";
  names.q_b = "?blocks.{}.attn.b_Q";
  // The name has an underscore where queries are grouped.
  names.k_w = "blocks.{}.attn.W_K|blocks.{}.attn._W_K";
  names.k_b = "?blocks.{}.attn.b_K|blocks.{}.attn._b_K";
  names.v_w = "blocks.{}.attn.W_V|blocks.{}.attn._W_V";
  names.v_b = "?blocks.{}.attn.b_V|blocks.{}.attn._b_V";
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
