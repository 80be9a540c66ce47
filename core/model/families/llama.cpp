// SPDX-License-Identifier: GPL-3.0-or-later
// Llama 1-3, SmolLM 1-2: RMSNorm, rotary positions, gated SiLU MLP, grouped queries. Mistral: the same with a window.
#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure_llama(ConfigFields& fields, ModelConfig& config) {
  configure_llama_like(fields, config);
  config.mlp_bias = fields.flag({"mlp_bias"}, false);
}

void configure_mistral(ConfigFields& fields, ModelConfig& config) {
  configure_llama_like(fields, config);
  config.attention_bias = false;
  if (const auto window = window_from(fields, 4096))
    configure_windows(fields, config, *window, [](std::int64_t, ConfigFields&) { return true; });
}

Family llama_base(const std::string& id) {
  Family family;
  family.id = id;
  family.model_types = {id};
  family.hugging_face.names = llama_names();
  family.gguf.names = gguf_names();
  family.gguf.rotary_interleaved = true;
  return family;
}

} // namespace

Family llama_family() {
  Family family = llama_base("llama");
  family.gguf_architectures = {"llama"}; // llama.cpp's converter writes Mistral as this, without its window
  family.configure = configure_llama;
  return family;
}

Family mistral_family() {
  Family family = llama_base("mistral");
  family.gguf_architectures = {"mistral"};
  family.configure = configure_mistral;
  return family;
}

} // namespace headscope
