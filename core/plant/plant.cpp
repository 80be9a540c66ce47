// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/plant.h"

#include <bit>
#include <filesystem>
#include <system_error>

#include <nlohmann/json.hpp>

#include "core/base/partial_file.h"
#include "core/io/safetensors.h"
#include "core/plant/model_weights.h"
#include "core/plant/space.h"
#include "core/plant/tokenizer_file.h"
#include "core/vocabulary/head_id.h"

namespace headscope::plant {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors holds little-endian numbers");

json config_json(const PlantOptions& options) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", d_model},
          {"intermediate_size", d_mlp},
          {"num_hidden_layers", options.layers},
          {"num_attention_heads", options.heads},
          {"num_key_value_heads", options.kv_heads},
          {"head_dim", d_head},
          {"vocab_size", vocabulary_size},
          {"max_position_embeddings", n_ctx},
          {"hidden_act", "silu"},
          {"rms_norm_eps", 1e-6},
          {"rope_theta", rope_theta},
          {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", rope_theta}}},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"tie_word_embeddings", false},
          {"bos_token_id", 0},
          {"eos_token_id", 1},
          {"torch_dtype", "float32"}};
}

std::string label(const PlantedHead& head) { return head_name({head.layer, head.head}); }

json labels(const std::vector<PlantedHead>& heads) {
  json out = json::array();
  for (const PlantedHead& head : heads)
    out.push_back(label(head));
  return out;
}

// The heads of one kind.
std::vector<PlantedHead> of_kind(const std::vector<PlantedHead>& heads, Kind kind) {
  std::vector<PlantedHead> out;
  for (const PlantedHead& head : heads)
    if (head.kind == kind) out.push_back(head);
  return out;
}

// Prompts that activate the heads which repeated random tokens do not.
json example_prompts() {
  return {{"name_mover",
           {{{"prompt", "Then, Mary and John went to the store. John gave a book to"},
             {"answer", " Mary"},
             {"wrong", " John"}}}},
          {"correct_letter",
           {{{"prompt", "Question: Which of these is a fruit?\nA: dog\nB: cherry\nC: horse\nD: owl\nAnswer:"},
             {"answer", " B"}}}},
          {"vision", {{{"prompt", "<image:dog>What does the picture show? It is a"}, {"answer", " dog"}}}},
          {"successor", {{{"prompt", "They had read page 137"}, {"answer", " 138"}}}}};
}

json planted_json(const Plant& plant) {
  json heads = json::object(), helpers = json::object(), distractors = json::object();
  for (int i = 0; i < static_cast<int>(Kind::noise); ++i) {
    const auto kind = static_cast<Kind>(i);
    json& group = is_target(kind) ? heads : is_helper(kind) ? helpers : distractors;
    group[kind_id(kind)] = labels(is_target(kind) ? heads_to_find(plant.heads, kind) : of_kind(plant.heads, kind));
  }
  return {{"options",
           {{"seed", plant.options.seed},
            {"layers", plant.options.layers},
            {"heads", plant.options.heads},
            {"kv_heads", plant.options.kv_heads},
            {"noise", plant.options.noise}}},
          {"heads", heads},
          {"helpers", helpers},
          {"distractors", distractors},
          {"noise_heads", labels(of_kind(plant.heads, Kind::noise))},
          {"prompts", example_prompts()}};
}

Status write_json(const fs::path& path, const json& document) {
  return write_file(path.string(), document.dump(1) + "\n", true);
}

Status write_weights(const fs::path& path, const std::vector<Tensor>& tensors) {
  std::vector<io::TensorToWrite> list;
  for (const Tensor& tensor : tensors)
    list.push_back(
        {tensor.name,
         "F32",
         tensor.shape,
         {reinterpret_cast<const std::uint8_t*>(tensor.values.data()), tensor.values.size() * sizeof(float)}});
  return io::write_safetensors(path.string(), list, {{"format", "pt"}});
}

Status make_folder(const fs::path& folder, bool overwrite) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder))
    return make_error(ErrorCode::io, "cannot be made: " + error.message(), folder.string());
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "planted.json"})
    if (!overwrite && fs::exists(folder / name, error))
      return make_error(ErrorCode::already_exists, "is there already; --force replaces it", (folder / name).string());
  return {};
}

} // namespace

std::vector<PlantedHead> heads_to_find(const std::vector<PlantedHead>& heads, Kind kind) {
  std::vector<PlantedHead> out;
  for (const PlantedHead& head : heads)
    if (head.kind == kind || (kind == Kind::sink && head.kind == Kind::zero_value_first)) out.push_back(head);
  return out;
}

Result<Plant> write_plant(const std::string& folder, const PlantOptions& options, bool overwrite) {
  Plant plant{options, {}, {}};
  HS_ASSIGN(plant.heads, draw_layout(options));
  const fs::path path(folder);
  HS_TRY(make_folder(path, overwrite));
  const Vocabulary vocabulary = make_vocabulary(options.seed);
  HS_TRY(write_weights(path / "model.safetensors", make_weights(options, plant.heads, vocabulary)));
  plant.files.push_back((path / "model.safetensors").string());
  for (const auto& [name, document] : {std::pair<const char*, json>("config.json", config_json(options)),
                                       {"tokenizer.json", tokenizer_json(vocabulary)},
                                       {"tokenizer_config.json", tokenizer_config_json()},
                                       {"planted.json", planted_json(plant)}}) {
    HS_TRY(write_json(path / name, document));
    plant.files.push_back((path / name).string());
  }
  return plant;
}

} // namespace headscope::plant
