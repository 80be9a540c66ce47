// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/random_model.h"

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "core/model/families/family.h"
#include "core/model/guard.h"
#include "core/model/process_weights.h"

namespace headscope::methods {
namespace {

struct Shape {
  const char* name;
  const char* config; // as config.json has it
};

constexpr Shape shapes[] = {
    {"gpt2", R"({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257,
                 "n_positions": 1024})"},
    {"smollm2", R"({"model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
                    "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152,
                    "max_position_embeddings": 8192, "rope_theta": 100000.0, "tie_word_embeddings": true})"},
    {"llama-7b", R"({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
                     "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096,
                     "tie_word_embeddings": false})"},
};

Result<ModelConfig> config_of(const Shape& shape) {
  const nlohmann::json json = nlohmann::json::parse(shape.config);
  const Family* family = family_of_model_type(json["model_type"].get<std::string>());
  ModelConfig config;
  ConfigFields fields(json, shape.name);
  config.architecture = family->id;
  family->configure(fields, config);
  HS_TRY(fields.status());
  return config;
}

class RandomWeights {
public:
  RandomWeights(const ModelConfig& config, at::TensorOptions options) : config_(config), options_(options) {}

  ModelWeights make() const {
    ModelWeights weights;
    weights.w_e = matrix(config_.d_vocab, config_.d_model);
    if (config_.positions == PositionKind::learned)
      weights.w_pos = matrix(config_.n_ctx + config_.learned_position_offset, config_.d_model);
    for (std::int64_t layer = 0; layer < config_.n_layers; ++layer)
      weights.blocks.push_back(block());
    weights.ln_final = norm();
    const bool tied = config_.tied_embeddings.value_or(config_.norm == NormKind::layer_norm);
    weights.w_u = tied ? weights.w_e : matrix(config_.d_vocab, config_.d_model);
    return weights;
  }

private:
  BlockWeights block() const {
    BlockWeights block;
    const std::int64_t q = config_.n_heads * config_.d_head, kv = config_.n_kv_heads * config_.d_head;
    block.ln1 = norm();
    block.ln2 = norm();
    block.w_qkv = matrix(q + 2 * kv, config_.d_model);
    block.w_o = matrix(config_.d_model, q);
    block.w_in = matrix(config_.gated_mlp ? 2 * config_.d_mlp : config_.d_mlp, config_.d_model);
    block.w_out = matrix(config_.d_model, config_.d_mlp);
    if (config_.norm != NormKind::layer_norm) return block; // Llama-like models have no biases
    block.b_qkv = at::zeros({q + 2 * kv}, options_);
    block.b_o = at::zeros({config_.d_model}, options_);
    block.b_in = at::zeros({config_.d_mlp}, options_);
    block.b_out = at::zeros({config_.d_model}, options_);
    return block;
  }

  at::Tensor matrix(std::int64_t out, std::int64_t in) const {
    return at::empty({out, in}, options_).normal_(0.0, 0.02);
  }

  NormWeights norm() const {
    NormWeights norm;
    norm.w = at::ones({config_.d_model}, options_);
    if (config_.norm == NormKind::layer_norm) norm.b = at::zeros({config_.d_model}, options_);
    return norm;
  }

  const ModelConfig& config_;
  at::TensorOptions options_;
};

// Selects the q, k and v rows of the heads that stay.
at::Tensor fewer_qkv(const ModelConfig& config, const at::Tensor& all, std::int64_t heads, std::int64_t kv_heads) {
  if (!all.defined()) return {};
  const std::int64_t e = config.d_head;
  return at::cat({all.narrow(0, 0, heads * e), all.narrow(0, config.n_heads * e, kv_heads * e),
                  all.narrow(0, (config.n_heads + config.n_kv_heads) * e, kv_heads * e)});
}

} // namespace

std::string shape_names() {
  std::string names;
  for (const Shape& shape : shapes)
    names += (names.empty() ? "" : ", ") + std::string(shape.name);
  return names;
}

Result<std::shared_ptr<const Model>> random_model(const std::string& name, const LoadOptions& options,
                                                  std::int64_t n_ctx) {
  return guarded("making random weights", [&]() -> Result<std::shared_ptr<const Model>> {
    for (const Shape& shape : shapes) {
      if (name != shape.name) continue;
      auto model = std::make_shared<Model>();
      HS_ASSIGN(model->config, config_of(shape));
      model->config.n_ctx = std::max(model->config.n_ctx, n_ctx);
      at::manual_seed(0);
      model->weights =
          RandomWeights(model->config, at::TensorOptions().dtype(options.dtype).device(options.device)).make();
      HS_TRY(process_weights(options.processing, model->config, model->weights));
      model->identity.name = model->identity.path = name;
      model->identity.format = "random";
      model->dtype = options.dtype;
      model->device = options.device;
      return std::shared_ptr<const Model>(std::move(model));
    }
    return make_error(ErrorCode::not_found, "is no known shape; there are " + shape_names(), name, "--shape");
  });
}

Result<std::shared_ptr<const Model>> part_of_model(const std::shared_ptr<const Model>& model, std::int64_t layers,
                                                   std::int64_t heads) {
  const ModelConfig& all = model->config;
  const auto check = [&](std::int64_t wanted, std::int64_t most, const char* option) -> Status {
    if (wanted >= 1 && wanted <= most) return {};
    return make_error(ErrorCode::invalid_argument,
                      "must be 1 to " + std::to_string(most) + " of this model, not " + std::to_string(wanted),
                      model->identity.path, option);
  };
  HS_TRY(check(layers, all.n_layers, "--layers"));
  HS_TRY(check(heads, all.n_heads, "--heads"));
  const std::int64_t group = all.n_heads / all.n_kv_heads;
  if (heads % group != 0)
    return make_error(ErrorCode::invalid_argument,
                      "must be a multiple of " + std::to_string(group) + ", the heads that share a K/V head, not " +
                          std::to_string(heads),
                      model->identity.path, "--heads");
  if (layers == all.n_layers && heads == all.n_heads) return model;
  return guarded("taking a part of the model", [&]() -> Result<std::shared_ptr<const Model>> {
    auto part = std::make_shared<Model>(*model);
    part->config.n_layers = layers;
    part->config.layers.resize(static_cast<std::size_t>(layers));
    part->weights.blocks.resize(static_cast<std::size_t>(layers));
    if (heads == all.n_heads) return std::shared_ptr<const Model>(std::move(part));
    part->config.n_heads = heads;
    part->config.n_kv_heads = heads / group;
    for (BlockWeights& block : part->weights.blocks) {
      block.w_qkv = fewer_qkv(all, block.w_qkv, heads, heads / group);
      block.b_qkv = fewer_qkv(all, block.b_qkv, heads, heads / group);
      block.w_o = block.w_o.narrow(1, 0, heads * all.d_head).contiguous();
    }
    return std::shared_ptr<const Model>(std::move(part));
  });
}

} // namespace headscope::methods
