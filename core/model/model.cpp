// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/model.h"

#include <filesystem>

#include "core/base/log.h"
#include "core/io/checkpoint.h"
#include "core/model/families/family.h"
#include "core/model/gguf_config.h"
#include "core/model/guard.h"
#include "core/model/load_weights.h"
#include "core/model/model_store.h"
#include "core/model/process_weights.h"
#include "core/model/text_config.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;

struct Description {
  const Family* family = nullptr;
  const FormatRules* rules = nullptr;
  ModelConfig config;
};

std::string known_names(std::vector<std::string> Family::*names) {
  std::string text;
  for (const Family& family : all_families())
    for (const std::string& name : family.*names)
      text += (text.empty() ? "" : " ") + name;
  return text;
}

Result<const Family*> family_of(const nlohmann::json& json, bool gguf, const std::string& config_file) {
  const char* field = gguf ? "general.architecture" : "model_type";
  std::string name;
  if (json.contains(field) && json[field].is_string()) name = json[field].get<std::string>();
  // TransformerLens's own configs have no model_type.
  if (!gguf && name.empty() && json.contains("normalization_type") && json.contains("d_model"))
    name = "hooked_transformer";
  if (name.empty()) return make_error(ErrorCode::corrupt, "is missing or no string", config_file, field);
  const Family* family = gguf ? family_of_gguf(name) : family_of_model_type(name);
  if (family) return family;
  return make_error(ErrorCode::unsupported,
                    "architecture '" + name + "' is not known; known: " +
                        known_names(gguf ? &Family::gguf_architectures : &Family::model_types),
                    config_file, field);
}

// llama.cpp writes Llama 3's rotary scaling as one factor a frequency.
Status read_freq_factors(const Checkpoint& checkpoint, ModelConfig& config) {
  const io::TensorInfo* info = checkpoint.gguf() ? checkpoint.find("rope_freqs.weight") : nullptr;
  if (!info || config.rotary.empty()) return {};
  RotaryConfig& rotary = config.rotary.front();
  if (info->shape != std::vector<std::int64_t>{rotary.dim / 2})
    return make_error(ErrorCode::mismatch, "must have one entry for each rotated pair", checkpoint.path(), info->name);
  rotary.freq_factors.resize(static_cast<std::size_t>(rotary.dim / 2));
  Workers alone(1);
  return checkpoint.read(info->name, rotary.freq_factors.data(), io::ElementType::f32, alone);
}

Result<Description> describe(const Checkpoint& checkpoint) {
  const bool gguf = checkpoint.gguf() != nullptr;
  const std::string config_file = gguf ? checkpoint.path() : (fs::path(checkpoint.folder()) / "config.json").string();
  Description found;
  HS_ASSIGN(const nlohmann::json written, gguf ? checkpoint.config() : text_config(checkpoint.config(), config_file));
  HS_ASSIGN(found.family, family_of(written, gguf, config_file));
  found.rules = gguf ? &found.family->gguf : &found.family->hugging_face;
  nlohmann::json translated;
  if (gguf) {
    HS_ASSIGN(const std::int64_t d_vocab, embedding_rows(checkpoint, *found.rules));
    HS_ASSIGN(translated, config_from_gguf(checkpoint.config(), config_file, d_vocab));
  }
  ConfigFields fields(gguf ? translated : written, config_file);
  found.config.architecture = found.family->id;
  found.family->configure(fields, found.config);
  HS_TRY(fields.status());
  if (gguf) found.config.tied_embeddings = found.config.attention_bias = found.config.mlp_bias = std::nullopt;
  HS_TRY(read_freq_factors(checkpoint, found.config));
  return found;
}

Result<std::shared_ptr<const Tokenizer>> tokenizer_of(const Checkpoint& checkpoint, const LoadOptions& options,
                                                      std::int64_t d_vocab) {
  auto loaded =
      checkpoint.gguf() ? load_tokenizer_gguf(*checkpoint.gguf()) : load_tokenizer_folder(checkpoint.folder());
  if (!loaded.ok() && loaded.error().code == ErrorCode::not_found && !options.require_tokenizer)
    return std::shared_ptr<const Tokenizer>{};
  if (!loaded.ok()) return loaded.error();
  std::shared_ptr<const Tokenizer> tokenizer = std::move(loaded).value();
  if (tokenizer->vocab_size() > d_vocab)
    return make_error(ErrorCode::mismatch,
                      "the tokenizer has " + std::to_string(tokenizer->vocab_size()) +
                          " tokens, the model's embedding only " + std::to_string(d_vocab) +
                          " rows; they do not belong together",
                      checkpoint.path(), "tokenizer");
  return tokenizer;
}

// Reads without throwing, since exceptions cannot leave a thread.
Result<std::shared_ptr<const Tokenizer>> read_tokenizer(const Checkpoint& checkpoint, const LoadOptions& options,
                                                        std::int64_t d_vocab) {
  return guarded("reading the tokenizer", [&] { return tokenizer_of(checkpoint, options, d_vocab); });
}

std::string display_name(const std::string& path) {
  fs::path resolved = fs::absolute(path).lexically_normal();
  if (!resolved.has_filename()) resolved = resolved.parent_path();
  return fs::is_directory(resolved) ? resolved.filename().string() : resolved.stem().string();
}

Result<std::shared_ptr<const Model>> load(const std::string& path, const LoadOptions& options) {
  HS_ASSIGN(const std::string resolved, resolve_model_path(path));
  HS_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(resolved));
  HS_ASSIGN(Description found, describe(checkpoint));
  auto model = std::make_shared<Model>();
  using Text = std::shared_ptr<const Tokenizer>;
  const Background<Text> tokenizer( // in parallel with the weights
      [&, d_vocab = found.config.d_vocab](const RunControl&) { return read_tokenizer(checkpoint, options, d_vocab); });
  HS_ASSIGN(model->weights, load_weights(checkpoint, *found.rules, found.config, options));
  auto text = tokenizer.wait();
  if (!text.ok() && (options.require_tokenizer || text.error().code == ErrorCode::cancelled)) return text.error();
  if (text.ok())
    model->tokenizer = *std::move(text);
  else
    model->tokenizer_error = text.error();
  HS_TRY(checkpoint.check_unchanged());
  HS_TRY(process_weights(options.processing, found.config, model->weights));
  model->identity.hash = std::make_shared<const Background<std::string>>(
      [checkpoint](const RunControl& control) { return checkpoint.identity_sha256(control); });
  model->identity.name = display_name(resolved);
  model->identity.path = resolved;
  model->identity.format = checkpoint.format();
  model->identity.quantisation = checkpoint.quantisation();
  model->config = std::move(found.config);
  model->dtype = options.dtype;
  model->device = options.device;
  return std::shared_ptr<const Model>(std::move(model));
}

} // namespace

std::string ModelIdentity::sha256() const {
  if (!hash) return {};
  if (!hash->wait_for(std::chrono::seconds(1))) log::info("waiting for the SHA-256 of " + path);
  const Result<std::string> digest = hash->wait();
  if (digest.ok()) return *digest;
  log::warning("no SHA-256 of the model: " + digest.error().to_string());
  return "unknown";
}

Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options) {
  return guarded("loading the model", [&] { return load(path, options); });
}

} // namespace headscope
