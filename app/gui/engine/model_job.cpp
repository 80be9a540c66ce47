// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/model_job.h"

#include <cstdio>

#include "app/gui/engine/cache_job.h"
#include "app/gui/engine/engine_state.h"
#include "app/runs/parity.h"
#include "core/engine/device.h"
#include "core/model/dtype.h"

namespace headscope::gui {
namespace {

std::string parity_text(const std::string& sha256) {
  const std::optional<ParityRecord> parity = parity_of(sha256);
  if (!parity) return {};
  char number[32];
  std::snprintf(number, sizeof number, "%.1e", parity->max_abs_logit_error);
  return "logits differ from " + parity->reference + " by at most " + number + " (" + parity->dtype + ")";
}

ModelInfo describe(const Model& model, const ModelRequest& request) {
  const ModelConfig& config = model.config;
  ModelInfo info;
  info.name = model.identity.name;
  info.path = model.identity.path;
  info.architecture = config.architecture;
  info.format = model.identity.format;
  info.quantisation = model.identity.quantisation;
  info.sha256 = model.identity.sha256();
  info.dtype = request.dtype;
  info.device = request.device;
  info.n_layers = static_cast<int>(config.n_layers);
  info.n_heads = static_cast<int>(config.n_heads);
  info.n_kv_heads = static_cast<int>(config.n_kv_heads);
  info.d_model = config.d_model;
  info.d_head = config.d_head;
  info.d_mlp = config.d_mlp;
  info.d_vocab = config.d_vocab;
  info.n_ctx = config.n_ctx;
  info.n_parameters = parameter_count(model.weights);
  info.bytes = weight_bytes(model.weights);
  info.parity = parity_text(info.sha256);
  info.has_chat_template = !model.tokenizer->chat_template().empty();
  return info;
}

Result<std::vector<std::int64_t>> encode(const Model& model, const PromptRequest& request) {
  std::string text = request.text;
  if (request.chat) {
    const std::vector<ChatMessage> messages = {{"user", text}};
    HS_ASSIGN(text, render_chat(*model.tokenizer, messages, true));
  }
  return model.tokenizer->encode(text, {!request.chat && request.add_special, true});
}

} // namespace

std::shared_ptr<EngineState> make_engine_state() { return std::make_shared<EngineState>(); }

Result<ModelInfo> open_model(EngineState& state, const ModelRequest& request, const RunControl& control) {
  LoadOptions options;
  HS_ASSIGN(options.dtype, parse_name<at::ScalarType>(request.dtype, "dtype"));
  HS_ASSIGN(options.device, open_device(request.device));
  options.require_tokenizer = true;
  options.control = control;
  HS_ASSIGN(std::shared_ptr<const Model> model, load_model(request.path, options));
  const ModelInfo info = describe(*model, request);
  clear_cache(state);
  state.full = state.engine = std::make_shared<const Engine>(std::move(model));
  state.plan_error.reset();
  state.opened = request;
  return info;
}

Result<std::vector<TokenInfo>> describe_tokens(const EngineState& state, const std::vector<std::int64_t>& ids) {
  HS_ASSIGN(const auto engine, open_engine(state));
  std::vector<TokenInfo> tokens;
  for (const std::int64_t id : ids)
    tokens.push_back(token_info(*engine->model().tokenizer, id));
  return tokens;
}

Result<std::int64_t> count_tokens(const EngineState& state, const PromptRequest& request) {
  HS_ASSIGN(const auto engine, open_engine(state));
  if (request.text.empty()) return std::int64_t{0};
  HS_ASSIGN(const auto ids, encode(engine->model(), request));
  return static_cast<std::int64_t>(ids.size());
}

Result<std::vector<TokenInfo>> tokenize(const EngineState& state, const PromptRequest& request) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const Model& model = engine->model();
  if (request.text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty; type something");
  HS_ASSIGN(const auto ids, encode(model, request));
  if (ids.empty()) return make_error(ErrorCode::invalid_argument, "the prompt has no tokens; type something");
  if (static_cast<std::int64_t>(ids.size()) > model.config.n_ctx)
    return make_error(ErrorCode::mismatch,
                      "the prompt has " + std::to_string(ids.size()) + " tokens, the model's context " +
                          std::to_string(model.config.n_ctx) + "; shorten it",
                      model.identity.path);
  return describe_tokens(state, ids);
}

} // namespace headscope::gui
