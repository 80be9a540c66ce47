// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 1-3: scaled embedding, norm weights stored as w - 1 and applied in float32; from 2 on norms after
// attention and MLP, soft caps and sliding windows; from 3 on QK norm and two rotary bases.
#include <cmath>

#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure_any_gemma(ConfigFields& fields, ModelConfig& config) {
  configure_llama_like(fields, config, 256);
  config.tied_embeddings = fields.flag({"tie_word_embeddings"}, true);
  config.norm_scale_in_float32 = true;
  config.embed_scale = std::sqrt(static_cast<double>(config.d_model));
}

void configure_gemma(ConfigFields& fields, ModelConfig& config) {
  configure_any_gemma(fields, config);
  // Old configs say "gelu" and mean the tanh form.
  config.activation = activation_from(fields, {"hidden_act"}, "gelu_pytorch_tanh");
  if (config.activation == Activation::gelu) config.activation = Activation::gelu_tanh;
}

void configure_gemma2(ConfigFields& fields, ModelConfig& config) {
  configure_any_gemma(fields, config);
  config.activation = activation_from(fields, {"hidden_activation"}, "gelu_pytorch_tanh");
  config.post_norms = true;
  config.attn_scale = 1.0 / std::sqrt(fields.positive({"query_pre_attn_scalar"}, 256.0));
  config.attn_softcap = fields.positive_or_null({"attn_logit_softcapping"}, 50.0);
  config.final_softcap = fields.positive_or_null({"final_logit_softcapping"}, 30.0);
  if (const auto window = window_from(fields, 4096))
    configure_windows(fields, config, *window, [](std::int64_t layer, ConfigFields&) { return layer % 2 == 0; });
}

// Reads base and scaling of the global layers and the base of the local ones. Like transformers, ignores a flat
// `rope_parameters`.
std::vector<RotaryConfig> gemma3_rotary(ConfigFields& fields, const ModelConfig& config) {
  ConfigFields by_type = fields.inside("rope_parameters");
  const ConfigFields full = by_type.inside("full_attention");
  const ConfigFields scaling = fields.inside("rope_scaling");
  nlohmann::json global = full.json();
  global.update(scaling.json());
  const std::string prefix = scaling.empty() ? "rope_parameters.full_attention." : "rope_scaling.";
  const double theta = fields.positive({"rope_theta"}, 1e6);
  const double local_theta = fields.positive({"rope_local_base_freq"}, 10000.0);
  std::vector<RotaryConfig> rotary = {rotary_from(fields, ConfigFields(global, fields.file(), prefix), config, theta),
                                      rotary_from(fields, by_type.inside("sliding_attention"), config, local_theta)};
  fields.adopt(by_type);
  return rotary;
}

void configure_gemma3(ConfigFields& fields, ModelConfig& config) {
  configure_any_gemma(fields, config);
  if (!fields.status().ok()) return;
  config.activation = activation_from(fields, {"hidden_activation"}, "gelu_pytorch_tanh");
  config.post_norms = true;
  config.qk_norm = true;
  config.attn_scale = 1.0 / std::sqrt(fields.positive({"query_pre_attn_scalar"}, 256.0));
  // transformers reads attn_logit_softcapping here, but does not use it in attention.
  config.final_softcap = fields.positive_or_null({"final_logit_softcapping"}, std::nullopt);
  // Gemma 3's own rotary settings follow; the flat fields that configure_llama_like() has read do not apply to them.
  config.n_ctx = fields.integer({"max_position_embeddings"});
  // Without a window, the layers that would have it keep their own rotary base: files with a single base say so.
  const auto window = window_from(fields, 4096);
  configure_windows(fields, config, window.value_or(1), [](std::int64_t layer, ConfigFields& inner) {
    const std::int64_t pattern = inner.integer({"sliding_window_pattern"}, 6);
    if (pattern < 1) inner.fail(ErrorCode::corrupt, "must be a positive number", "sliding_window_pattern");
    return pattern > 0 && (layer + 1) % pattern != 0;
  });
  config.rotary = gemma3_rotary(fields, config);
  for (LayerConfig& layer : config.layers) {
    layer.rotary = layer.window ? 1 : 0;
    if (!window) layer.window.reset();
  }
  stretch_context(config);
}

Family gemma_base(const std::string& id) {
  Family family;
  family.id = id;
  family.model_types = {id};
  family.gguf_architectures = {id};
  family.hugging_face.names = llama_names();
  family.hugging_face.norm_offset = 1.0;
  family.gguf.names = gguf_names(); // llama.cpp's converter has added the 1
  return family;
}

void name_post_norms(Family& family) {
  TensorNames& names = family.hugging_face.names;
  names.ln1_post_w = "layers.{}.post_attention_layernorm.weight";
  names.ln2_w = "layers.{}.pre_feedforward_layernorm.weight";
  names.ln2_post_w = "layers.{}.post_feedforward_layernorm.weight";
  family.gguf.names.ln1_post_w = "blk.{}.post_attention_norm.weight";
  family.gguf.names.ln2_post_w = "blk.{}.post_ffw_norm.weight";
}

} // namespace

Family gemma_family() {
  Family family = gemma_base("gemma");
  family.configure = configure_gemma;
  return family;
}

Family gemma2_family() {
  Family family = gemma_base("gemma2");
  family.configure = configure_gemma2;
  name_post_norms(family);
  return family;
}

Family gemma3_family() {
  Family family = gemma_base("gemma3");
  family.model_types = {"gemma3_text"};
  family.configure = configure_gemma3;
  name_post_norms(family);
  family.hugging_face.names.q_norm_w = "layers.{}.self_attn.q_norm.weight";
  family.hugging_face.names.k_norm_w = "layers.{}.self_attn.k_norm.weight";
  family.gguf.names.q_norm_w = "blk.{}.attn_q_norm.weight";
  family.gguf.names.k_norm_w = "blk.{}.attn_k_norm.weight";
  return family;
}

} // namespace headscope
