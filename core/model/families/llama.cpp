// SPDX-License-Identifier: GPL-3.0-or-later
// Llama 1-3, Mistral, SmolLM 1-2: RMSNorm, rotary positions, gated SiLU MLP, grouped queries.
#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure(ConfigFields& fields, ModelConfig& config) {
  configure_llama_like(fields, config);
  // Mistral 0.1; in Llama configs the field does not exist.
  if (const auto window = fields.optional_integer({"sliding_window"}))
    configure_windows(fields, config, *window, [](std::int64_t, ConfigFields&) { return true; });
}

} // namespace

Family llama_family() {
  Family family;
  family.id = "llama";
  family.model_types = {"llama", "mistral"};
  family.gguf_architectures = {"llama", "mistral"};
  family.configure = configure;
  family.hugging_face.names = llama_names();
  family.gguf.names = gguf_names();
  family.gguf.rotary_interleaved = true;
  return family;
}

} // namespace headscope
