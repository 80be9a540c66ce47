// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/text_config.h"

#include <algorithm>

namespace headscope {
namespace {

using nlohmann::json;

struct Wrapper {
  const char* model_type;
  const char* text; // model_type of the text model where text_config names none
};

// For a prompt of tokens these text models compute what the plain model does: causally, each token at its own position.
constexpr Wrapper wrappers[] = {
    {"gemma3", "gemma3_text"}, {"llava", "llama"},           {"llava_next", "llama"},       {"vipllava", "llama"},
    {"video_llava", "llama"},  {"idefics3", "llama"},        {"smolvlm", "llama"},          {"mistral3", "mistral"},
    {"got_ocr2", "qwen2"},     {"llava_onevision", "qwen2"}, {"llava_next_video", "llama"},
};

// Default sizes of transformers' config classes, which a sparse text_config omits.
json defaults_of(const std::string& text) {
  if (text == "gemma3_text")
    return {{"hidden_size", 2304},      {"intermediate_size", 9216},        {"num_hidden_layers", 26},
            {"num_attention_heads", 8}, {"num_key_value_heads", 4},         {"head_dim", 256},
            {"vocab_size", 262208},     {"max_position_embeddings", 131072}};
  if (text == "llama")
    return {{"hidden_size", 4096},       {"intermediate_size", 11008}, {"num_hidden_layers", 32},
            {"num_attention_heads", 32}, {"vocab_size", 32000},        {"max_position_embeddings", 2048}};
  if (text == "mistral")
    return {{"hidden_size", 4096},
            {"intermediate_size", 14336},
            {"num_hidden_layers", 32},
            {"num_attention_heads", 32},
            {"num_key_value_heads", 8},
            {"vocab_size", 32000},
            {"max_position_embeddings", 131072}};
  if (text == "qwen2")
    return {{"hidden_size", 4096},
            {"intermediate_size", 22016},
            {"num_hidden_layers", 32},
            {"num_attention_heads", 32},
            {"num_key_value_heads", 32},
            {"vocab_size", 151936},
            {"max_position_embeddings", 32768}};
  return json::object();
}

} // namespace

Result<json> text_config(const json& config, const std::string& file) {
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return config;
  const auto* wrapper = std::find_if(std::begin(wrappers), std::end(wrappers),
                                     [&](const Wrapper& each) { return *type == each.model_type; });
  if (wrapper == std::end(wrappers)) return config;
  json inner = json::object();
  if (const auto found = config.find("text_config"); found != config.end() && !found->is_null()) inner = *found;
  if (!inner.is_object()) return make_error(ErrorCode::corrupt, "must be an object", file, "text_config");
  if (!inner.contains("model_type") || !inner["model_type"].is_string()) inner["model_type"] = wrapper->text;
  json text = defaults_of(inner["model_type"].get<std::string>());
  text.update(inner);
  // Fields beside text_config that also apply to the text model.
  for (const char* name : {"quantization_config", "tie_word_embeddings"})
    if (!text.contains(name) && config.contains(name)) text[name] = config[name];
  return text;
}

} // namespace headscope
