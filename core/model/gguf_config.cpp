// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <vector>

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

// Reads scaling as llama.cpp does: a factor without a type is linear, and `scale_linear` is an older name for both.
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

// The layers with the window: all but the last of every `period` layers; 0: all. A list says it layer by layer.
json layer_types(const json& metadata, const std::string& prefix, std::int64_t layers, std::int64_t period) {
  const json* pattern = lookup(metadata, prefix + "attention.sliding_window_pattern");
  if (pattern && pattern->is_number_integer()) period = pattern->get<std::int64_t>();
  const bool listed = pattern && pattern->is_array() && std::ssize(*pattern) == layers;
  json types = json::array();
  for (std::int64_t i = 0; i < layers && layers <= 4096; ++i) {
    const json* own = listed ? &(*pattern)[static_cast<std::size_t>(i)] : nullptr;
    const bool sliding = own ? *own == true || *own == 1 : period <= 0 || i % period < period - 1;
    types.push_back(sliding ? "sliding_attention" : "full_attention");
  }
  return types;
}

double number_in(const json& config, const char* key) {
  const auto it = config.find(key);
  return it != config.end() && it->is_number() ? it->get<double>() : 0.0;
}

void add_gemma2(const json& metadata, json& config) {
  const double layers = number_in(config, "num_hidden_layers"), heads = number_in(config, "num_attention_heads");
  // The 27B model scales by its nominal head size.
  config["query_pre_attn_scalar"] =
      layers == 46 && heads > 0 ? number_in(config, "hidden_size") / heads : number_in(config, "head_dim");
  if (!config.contains("attn_logit_softcapping")) config["attn_logit_softcapping"] = 50.0;
  if (!config.contains("final_logit_softcapping")) config["final_logit_softcapping"] = 30.0;
  if (layers >= 1) config["layer_types"] = layer_types(metadata, "gemma2.", static_cast<std::int64_t>(layers), 2);
}

// Without a window all layers share one rotary setting; with one, its layers have a base of their own and no scaling.
void add_gemma3(const json& metadata, json& config) {
  const double layers = number_in(config, "num_hidden_layers"), heads = number_in(config, "num_attention_heads");
  config["query_pre_attn_scalar"] =
      layers == 62 && heads > 0 ? number_in(config, "hidden_size") / heads : number_in(config, "head_dim");
  const bool windowed = number_in(config, "sliding_window") > 0;
  if (!config["rope_parameters"].contains("rope_theta")) config["rope_parameters"]["rope_theta"] = 10000.0;
  config["rope_parameters"] = {{"full_attention", config["rope_parameters"]}, {"sliding_attention", json::object()}};
  if (layers < 1) return;
  config["layer_types"] = layer_types(metadata, "gemma3.", static_cast<std::int64_t>(layers), 6);
  if (windowed) return;
  for (json& type : config["layer_types"])
    type = "full_attention";
}

// Adds what llama.cpp hard-codes instead of reading it from the file.
void add_unwritten(const json& metadata, const std::string& architecture, json& config) {
  const double heads = number_in(config, "num_attention_heads");
  const double per_head = heads > 0 ? number_in(config, "hidden_size") / heads : 0.0;
  // Families whose head size or K/V heads transformers configures separately use the plain keys in llama.cpp.
  if (!config.contains("head_dim") && per_head >= 1) config["head_dim"] = static_cast<std::int64_t>(per_head);
  if (!config.contains("num_key_value_heads") && heads > 0)
    config["num_key_value_heads"] = config["num_attention_heads"];
  if (architecture == "gptneox" && !config["rope_parameters"].contains("partial_rotary_factor"))
    config["rope_parameters"]["partial_rotary_factor"] = 1.0;
  if (architecture == "gemma2") add_gemma2(metadata, config);
  if (architecture == "gemma3") add_gemma3(metadata, config);
  // A soft cap of 0 means none.
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (config.contains(cap) && config[cap] == 0) config[cap] = nullptr;
  // Qwen 2 and 3 files carry a window that only some of their configs use; llama.cpp does not apply it.
  if (architecture == "qwen2" || architecture == "qwen3") config.erase("sliding_window");
}

// Keys without which llama.cpp refuses a file of the architecture: it has no defaults for them, and neither has
// Headscope.
std::vector<std::string> required_keys(const std::string& architecture) {
  std::vector<std::string> keys = {"block_count", "context_length", "embedding_length", "attention.head_count"};
  const bool layer_norm = architecture == "gpt2" || architecture == "gptneox";
  keys.emplace_back(layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
  if (architecture == "gptneox") keys.emplace_back("use_parallel_residual");
  return keys;
}

// Keys of other architectures' files that change what a model computes, with the values at which they change nothing.
// https://github.com/ggml-org/llama.cpp/blob/master/src/llama-arch.cpp has the names.
struct UnreadKey {
  const char* name; // after "ARCHITECTURE."
  std::vector<double> neutral;
};

const std::vector<UnreadKey>& unread_keys() {
  static const std::vector<UnreadKey> keys = {
      {"attention.causal", {1}},
      {"attention.clamp_kqv", {0}},
      {"attention.max_alibi_bias", {0}},
      {"attention.scale", {0}},
      {"attention.output_scale", {0, 1}},
      {"attention.temperature_length", {0}},
      {"attention.temperature_scale", {0}},
      {"attention.q_lora_rank", {0}},
      {"attention.kv_lora_rank", {0}},
      {"attention.relative_buckets_count", {0}},
      {"attention.shared_kv_layers", {0}},
      {"attention.indexer.head_count", {0}},
      {"logit_scale", {0, 1}},
      {"residual_scale", {0, 1}},
      {"embedding_scale", {0, 1}},
      {"embedding_length_per_layer_input", {0}},
      {"embedding_length_out", {0}},
      {"expert_count", {0}},
      {"expert_used_count", {0}},
      {"expert_shared_count", {0}},
      {"nextn_predict_layers", {0}},
      {"n_deepstack_layers", {0}},
      {"interleave_moe_layer_step", {0}},
      {"full_attention_interval", {0}},
      {"activation_sparsity_scale", {0}},
      {"altup.num_inputs", {0}},
      {"swin_norm", {0}},
      {"rescale_every_n_layers", {0}},
      {"token_shift_count", {0}},
      {"swiglu_clamp_exp", {0}},
      {"swiglu_clamp_shexp", {0}},
      {"ssm.state_size", {0}},
      {"shortconv.l_cache", {0}},
      {"rope.dimension_sections", {0}},
      {"rope.scaling.alpha", {0}},
      {"rope.scaling.yarn_log_multiplier", {0}},
  };
  return keys;
}

// Whether a value (a number, true, false, or a list of these) is among the neutral ones.
bool is_neutral(const json& value, const std::vector<double>& neutral) {
  if (value.is_array())
    return std::all_of(value.begin(), value.end(), [&](const json& each) { return is_neutral(each, neutral); });
  if (!value.is_number() && !value.is_boolean()) return false;
  const double number = value.is_boolean() ? (value.get<bool>() ? 1.0 : 0.0) : value.get<double>();
  return std::find(neutral.begin(), neutral.end(), number) != neutral.end();
}

Status refuse_unread(const json& metadata, const std::string& architecture, const std::string& file) {
  const std::string prefix = architecture + ".";
  const auto refuse = [&](const std::string& key, const json& value) {
    return make_error(ErrorCode::unsupported,
                      "is " + value.dump().substr(0, 40) +
                          ", which changes what the model computes and is not supported for architecture '" +
                          architecture + "'",
                      file, prefix + key);
  };
  for (const UnreadKey& key : unread_keys())
    if (const json* value = lookup(metadata, prefix + key.name); value && !is_neutral(*value, key.neutral))
      return refuse(key.name, *value);
  // Checks keys that only some architectures have.
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    const bool read = architecture == "gemma2" || (architecture == "gemma3" && key[0] == 'f');
    const json* value = lookup(metadata, prefix + key);
    if (!read && value && !is_neutral(*value, {0})) return refuse(key, *value);
  }
  // The layers with a window may have another value.
  for (const std::string key : {"attention.key_length", "attention.value_length", "rope.dimension_count"}) {
    const json *own = lookup(metadata, prefix + key + "_swa"), *all = lookup(metadata, prefix + key);
    if (own && (!all || *own != *all)) return refuse(key + "_swa", *own);
  }
  const json *own = lookup(metadata, prefix + "rope.freq_base_swa"), *all = lookup(metadata, prefix + "rope.freq_base");
  if (own && architecture != "gemma3" && *own != (all ? *all : json(10000.0)))
    return refuse("rope.freq_base_swa", *own);
  return {};
}

// Reads one number for all layers, which may be written as a list of equal ones.
Result<json> one_number(const json& value, const std::string& file, const std::string& key) {
  const bool same = value.is_array() && !value.empty() &&
                    std::all_of(value.begin(), value.end(), [&](const json& each) { return each == value.front(); });
  const json& number = same ? value.front() : value;
  if (number.is_number() || number.is_boolean()) return number;
  return make_error(ErrorCode::unsupported, "must be one number; a different one for each layer is not supported", file,
                    key);
}

} // namespace

Result<json> config_from_gguf(const json& metadata, const std::string& file, std::int64_t d_vocab) {
  const json* name = lookup(metadata, "general.architecture");
  if (!name || !name->is_string())
    return make_error(ErrorCode::corrupt, "is missing or no string", file, "general.architecture");
  const std::string architecture = name->get<std::string>();
  const std::string prefix = architecture + ".";
  for (const std::string& key : required_keys(architecture))
    if (!lookup(metadata, prefix + key)) return make_error(ErrorCode::corrupt, "is missing", file, prefix + key);
  HS_TRY(refuse_unread(metadata, architecture, file));
  json config = json::object();
  config["vocab_size"] = d_vocab;
  for (const Translation& entry : translations) {
    const json* value = lookup(metadata, prefix + entry.gguf);
    if (!value) continue;
    HS_ASSIGN(config[entry.hugging_face], one_number(*value, file, prefix + entry.gguf));
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
  add_unwritten(metadata, architecture, config);
  return config;
}

} // namespace headscope
