// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/gguf_config.h"

#include <algorithm>
#include <cmath>

namespace headscope {
namespace {

using nlohmann::json;

struct Translation {
  const char* gguf; // after "ARCHITECTURE."
  const char* hugging_face;
};

// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
constexpr Translation translations[] = {
    {"block_count", "num_hidden_layers"},
    {"embedding_length", "hidden_size"},
    {"feed_forward_length", "intermediate_size"},
    {"context_length", "max_position_embeddings"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
    {"attention.layer_norm_epsilon", "layer_norm_eps"},
    {"attention.sliding_window", "sliding_window"},
    {"attn_logit_softcapping", "attn_logit_softcapping"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {"rope.freq_base_swa", "rope_local_base_freq"},
    {"use_parallel_residual", "use_parallel_residual"},
};

const json* lookup(const json& metadata, const std::string& key) {
  const auto it = metadata.find(key);
  return it == metadata.end() ? nullptr : &*it;
}

double number_or(const json& metadata, const std::string& key, double otherwise) {
  const json* value = lookup(metadata, key);
  return value && value->is_number() ? value->get<double>() : otherwise;
}

// llama.cpp multiplies its yarn factors with 0.1 ln(factor) + 1, where config.json would name the product.
void translate_yarn(const json& metadata, const std::string& prefix, double factor, json& rope) {
  for (const char* key : {"beta_fast", "beta_slow"})
    if (const json* beta = lookup(metadata, prefix + "scaling.yarn_" + key)) rope[key] = *beta;
  const double mixed = number_or(metadata, prefix + "scaling.yarn_ext_factor", 1.0);
  const double scale = number_or(metadata, prefix + "scaling.attn_factor", 1.0) *
                       number_or(metadata, prefix + "scaling.yarn_attn_factor", 1.0);
  if (mixed != 1.0) rope["extrapolation_factor"] = mixed;
  if (scale == 1.0 && mixed != 0.0) return;
  rope["attention_factor"] = scale * (mixed != 0.0 ? 0.1 * std::log(std::max(factor, 1.0)) + 1.0 : 1.0);
}

// As llama.cpp reads them: a factor without a type is a linear one, and `scale_linear` is the older name of both.
void translate_scaling(const json& metadata, const std::string& prefix, json& rope) {
  const json* type = lookup(metadata, prefix + "scaling.type");
  const json* factor = lookup(metadata, prefix + "scaling.factor");
  if (!factor || *factor == 0) factor = lookup(metadata, prefix + "scale_linear");
  if (type && *type == "none") return;
  if (type || (factor && *factor != 0 && *factor != 1)) rope["rope_type"] = type ? *type : json("linear");
  if (factor) rope["factor"] = *factor;
  if (const json* length = lookup(metadata, prefix + "scaling.original_context_length"))
    rope["original_max_position_embeddings"] = *length;
  if (type && *type == "yarn")
    translate_yarn(metadata, prefix, factor && factor->is_number() ? factor->get<double>() : 1.0, rope);
}

void translate_rope(const json& metadata, const std::string& prefix, json& config) {
  json rope = json::object();
  if (const json* base = lookup(metadata, prefix + "rope.freq_base")) rope["rope_theta"] = *base;
  translate_scaling(metadata, prefix + "rope.", rope);
  const json* dimensions = lookup(metadata, prefix + "rope.dimension_count");
  if (dimensions && dimensions->is_number() && config.contains("num_attention_heads") &&
      config["num_attention_heads"].is_number() && config["num_attention_heads"] != 0) {
    const double d_head = config.contains("head_dim")
                              ? config["head_dim"].get<double>()
                              : config.value("hidden_size", 0.0) / config["num_attention_heads"].get<double>();
    if (d_head > 0) rope["partial_rotary_factor"] = dimensions->get<double>() / d_head;
  }
  config["rope_parameters"] = rope;
}

// What llama.cpp knows by heart instead of reading it from the file.
void add_unwritten(const std::string& architecture, json& config) {
  const auto number = [&](const char* key) { return config.contains(key) ? config[key].get<double>() : 0.0; };
  const double per_head =
      number("num_attention_heads") > 0 ? number("hidden_size") / number("num_attention_heads") : 0.0;
  // Families to which transformers gives a head size of their own are plain ones to llama.cpp.
  if (!config.contains("head_dim") && per_head >= 1) config["head_dim"] = static_cast<std::int64_t>(per_head);
  if (architecture == "gemma2") // the 27B model scales by its nominal head size
    config["query_pre_attn_scalar"] = number("num_hidden_layers") == 46 ? per_head : number("head_dim");
  if (architecture == "gemma2" && !config.contains("attn_logit_softcapping")) config["attn_logit_softcapping"] = 50.0;
  if (architecture == "gemma2" && !config.contains("final_logit_softcapping")) config["final_logit_softcapping"] = 30.0;
  if (architecture == "gemma3") {
    config["query_pre_attn_scalar"] = number("num_hidden_layers") == 62 ? per_head : number("head_dim");
    // Scaling, where there is any, is that of the global layers; llama.cpp names one base for both kinds.
    config["rope_parameters"] = {{"full_attention", config["rope_parameters"]}, {"sliding_attention", json::object()}};
  }
  // A soft cap of 0 is none.
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (config.contains(cap) && config[cap] == 0) config[cap] = nullptr;
  // Qwen 2 and 3 files carry a window that only some of their configs use; llama.cpp does not apply it.
  if (architecture == "qwen2" || architecture == "qwen3") config.erase("sliding_window");
}

} // namespace

Result<json> config_from_gguf(const json& metadata, const std::string& file, std::int64_t d_vocab) {
  const json* name = lookup(metadata, "general.architecture");
  if (!name || !name->is_string())
    return make_error(ErrorCode::corrupt, "is missing or no string", file, "general.architecture");
  const std::string architecture = name->get<std::string>();
  const std::string prefix = architecture + ".";
  json config = json::object();
  config["vocab_size"] = d_vocab;
  for (const Translation& entry : translations) {
    const json* value = lookup(metadata, prefix + entry.gguf);
    if (!value) continue;
    if (!value->is_number() && !value->is_boolean())
      return make_error(ErrorCode::unsupported, "must be one number; a different one for each layer is not supported",
                        file, prefix + entry.gguf);
    config[entry.hugging_face] = *value;
  }
  const json* key_length = lookup(metadata, prefix + "attention.key_length");
  const json* value_length = lookup(metadata, prefix + "attention.value_length");
  if (key_length && value_length && *key_length != *value_length)
    return make_error(ErrorCode::unsupported, "differs from attention.key_length, which is not supported", file,
                      prefix + "attention.value_length");
  translate_rope(metadata, prefix, config);
  if (architecture != "gptneox" && config["rope_parameters"].value("partial_rotary_factor", 1.0) != 1.0)
    return make_error(ErrorCode::unsupported, "must be the size of a head in this architecture", file,
                      prefix + "rope.dimension_count");
  add_unwritten(architecture, config);
  return config;
}

} // namespace headscope
