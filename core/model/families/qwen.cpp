// SPDX-License-Identifier: GPL-3.0-or-later
// Qwen 1.5 and 2: Llama with biases on q, k and v.
#include "core/model/families/family.h"

namespace headscope {
namespace {

void configure_some_windows(ConfigFields& fields, ModelConfig& config) {
  const auto window = window_from(fields, 4096);
  if (!window || !fields.flag({"use_sliding_window"}, false)) return;
  configure_windows(fields, config, *window, [](std::int64_t layer, ConfigFields& inner) {
    return layer >= inner.integer({"max_window_layers"}, 28);
  });
}

} // namespace

Family qwen2_family() {
  Family family;
  family.id = "qwen2";
  family.model_types = {"qwen2"};
  family.gguf_architectures = {"qwen2"};
  family.configure = [](ConfigFields& fields, ModelConfig& config) {
    configure_llama_like(fields, config);
    config.attention_bias = false; // on the output; those of q, k and v are never absent
    configure_some_windows(fields, config);
  };
  for (FormatRules* rules : {&family.hugging_face, &family.gguf}) {
    rules->names = rules == &family.gguf ? gguf_names() : llama_names();
    for (std::string* bias : {&rules->names.q_b, &rules->names.k_b, &rules->names.v_b})
      bias->erase(0, 1); // required
  }
  return family;
}

// Qwen 3: biases only where the config has them, and an RMSNorm on each head's q and k.
Family qwen3_family() {
  Family family;
  family.id = "qwen3";
  family.model_types = {"qwen3"};
  family.gguf_architectures = {"qwen3"};
  family.configure = [](ConfigFields& fields, ModelConfig& config) {
    configure_llama_like(fields, config, 128);
    configure_some_windows(fields, config);
    config.qk_norm = true;
  };
  family.hugging_face.names = llama_names();
  family.hugging_face.names.q_norm_w = "layers.{}.self_attn.q_norm.weight";
  family.hugging_face.names.k_norm_w = "layers.{}.self_attn.k_norm.weight";
  family.gguf.names = gguf_names();
  family.gguf.names.q_norm_w = "blk.{}.attn_q_norm.weight";
  family.gguf.names.k_norm_w = "blk.{}.attn_k_norm.weight";
  return family;
}

} // namespace headscope
