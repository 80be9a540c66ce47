// SPDX-License-Identifier: GPL-3.0-or-later
// Gemma 1-3: scaled embedding, norm weights stored as w - 1 and applied in float32; from 2 on norms after
// attention and MLP, soft caps and sliding windows; from 3 on QK norm and two rotary bases.
#include <cmath>

#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure_gemma(ConfigFields& fields, ModelConfig& config) {
  configure_llama_like(fields, config);
  // Old configs say "gelu" and mean the tanh form, which hidden_activation spells out.
  config.activation = activation_from(fields, {"hidden_activation"}, "gelu_pytorch_tanh");
  config.norm_scale_in_float32 = true;
  config.embed_scale = std::sqrt(static_cast<double>(config.d_model));
}

void configure_gemma2(ConfigFields& fields, ModelConfig& config) {
  configure_gemma(fields, config);
  config.post_norms = true;
  config.attn_scale = 1.0 / std::sqrt(fields.number({"query_pre_attn_scalar"}, static_cast<double>(config.d_head)));
  config.attn_softcap = fields.optional_number({"attn_logit_softcapping"});
  config.final_softcap = fields.optional_number({"final_logit_softcapping"});
  if (const auto window = fields.optional_integer({"sliding_window"}))
    configure_windows(fields, config, *window, [](std::int64_t layer, ConfigFields&) { return layer % 2 == 0; });
}

void configure_gemma3(ConfigFields& fields, ModelConfig& config) {
  configure_gemma(fields, config);
  if (!fields.status().ok()) return;
  config.post_norms = true;
  config.qk_norm = true;
  config.attn_scale = 1.0 / std::sqrt(fields.number({"query_pre_attn_scalar"}, 256.0));
  config.attn_softcap = fields.optional_number({"attn_logit_softcapping"});
  config.final_softcap = fields.optional_number({"final_logit_softcapping"});
  configure_windows(fields, config, fields.integer({"sliding_window"}, 4096),
                    [](std::int64_t layer, ConfigFields& inner) {
                      const std::int64_t pattern = inner.integer({"sliding_window_pattern"}, 6);
                      return pattern > 0 && (layer + 1) % pattern != 0;
                    });
  const nlohmann::json& parameters = rope_parameters(fields);
  const ConfigFields by_type(parameters, fields.file());
  const bool split = by_type.has("full_attention") || by_type.has("sliding_attention");
  config.rotary = {
      rotary_from(fields, split ? by_type.object({"full_attention"}) : parameters, config.d_head,
                  fields.number({"rope_theta"}, 1e6)),
      rotary_from(fields, by_type.object({"sliding_attention"}), config.d_head,
                  fields.number({"rope_local_base_freq"}, 10000.0)),
  };
  for (LayerConfig& layer : config.layers)
    layer.rotary = layer.window ? 1 : 0;
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
