// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/python/exchange.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/store/part_name.h"
#include "core/store/result_file.h"
#include "plugins/host/json_fields.h"

namespace headscope::plugin {
namespace {

constexpr double most_bytes = 4.0 * (1 << 30);
constexpr const char* weight_names[] = {"W_E", "W_U", "W_Q", "W_K", "W_V", "W_O"};

Result<std::vector<std::int64_t>> tokens_of(const nlohmann::json& prompt, const JsonFields& fields,
                                            const Engine& engine) {
  if (!prompt.contains("tokens")) {
    HS_ASSIGN(const std::string text, fields.text("text"));
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::mismatch, "the model has no tokenizer; give tokens", {}, "prompts.text");
    return engine.model().tokenizer->encode(text, {true, true});
  }
  const nlohmann::json& list = prompt.at("tokens");
  const bool whole = list.is_array() && std::all_of(list.begin(), list.end(),
                                                    [](const nlohmann::json& id) { return id.is_number_integer(); });
  if (!whole) return fields.wrong("tokens", "must be a list of token ids");
  return list.get<std::vector<std::int64_t>>();
}

Result<store::Prompt> read_prompt(const nlohmann::json& json, const Engine& engine, const std::string& script) {
  const JsonFields fields(json, script, "prompts.");
  store::Prompt prompt;
  HS_ASSIGN(prompt.id, fields.text("id"));
  if (const Status usable = store::check_part_name(prompt.id); !usable.ok())
    return fields.wrong("id", "must be a name without '/', not '" + prompt.id + "': " + usable.error().message);
  HS_ASSIGN(prompt.token_ids, tokens_of(json, fields, engine));
  const std::int64_t length = static_cast<std::int64_t>(prompt.token_ids.size());
  if (length == 0 || length > engine.config().n_ctx)
    return make_error(ErrorCode::mismatch,
                      "the prompt '" + prompt.id + "' has " + std::to_string(length) +
                          " tokens; the model takes 1 to " + std::to_string(engine.config().n_ctx),
                      script, "prompts");
  for (const std::int64_t id : prompt.token_ids)
    if (id < 0 || id >= engine.config().d_vocab)
      return make_error(ErrorCode::mismatch,
                        "the prompt '" + prompt.id + "' has the token id " + std::to_string(id) +
                            ", which is outside the vocabulary of " + std::to_string(engine.config().d_vocab),
                        script, "prompts");
  const auto& tokenizer = engine.model().tokenizer;
  for (const std::int64_t id : prompt.token_ids)
    prompt.token_pieces.push_back(tokenizer ? tokenizer->piece(id) : std::to_string(id));
  if (tokenizer) prompt.text = tokenizer->decode(prompt.token_ids);
  return prompt;
}

// Reads a list of texts, empty where the field is missing.
Result<std::vector<std::string>> texts(const nlohmann::json& json, const char* name, const std::string& script) {
  if (!json.contains(name)) return std::vector<std::string>{};
  const nlohmann::json& list = json.at(name);
  if (!list.is_array() ||
      !std::all_of(list.begin(), list.end(), [](const nlohmann::json& text) { return text.is_string(); }))
    return make_error(ErrorCode::corrupt, "must be a list of texts", script, name);
  return list.get<std::vector<std::string>>();
}

// How many numbers one activation of a prompt of `length` tokens has; points without heads count as the widest.
double numbers_at(HookPoint point, const ModelConfig& config, double length) {
  const double heads = static_cast<double>(config.n_heads), d_head = static_cast<double>(config.d_head);
  const double d_model = static_cast<double>(std::max(config.d_model, config.d_mlp));
  switch (hook_axes(point)) {
  case HookAxes::head_query_key: return heads * length * length;
  case HookAxes::pos_head_d: return heads * length * (point == HookPoint::result ? d_model : d_head);
  case HookAxes::pos_kv_head_d: return static_cast<double>(config.n_kv_heads) * length * d_head;
  case HookAxes::pos_d: return length * d_model;
  }
  return 0.0;
}

Status check_size(const Plan& plan, const Engine& engine) {
  double bytes = 0.0;
  for (const store::Prompt& prompt : plan.prompts)
    for (const HookSite& site : plan.capture)
      bytes += 4.0 * numbers_at(site.point, engine.config(), static_cast<double>(prompt.token_ids.size()));
  if (bytes <= most_bytes) return {};
  return make_error(ErrorCode::invalid_argument,
                    "asks for about " + std::to_string(static_cast<std::int64_t>(bytes / (1 << 30)) + 1) +
                        " GiB of activations, 4 GiB is the most; take fewer layers or shorter prompts",
                    {}, "capture");
}

Status write_tensor(store::ResultWriter& writer, const std::string& path, const at::Tensor& tensor,
                    const std::vector<std::string>& axes, const std::string& long_name) {
  const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  store::ArraySpec spec;
  for (std::int64_t i = 0; i < values.dim(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    spec.axes.push_back({at < axes.size() ? axes[at] : "axis" + std::to_string(i), {}});
    spec.shape.push_back(values.size(i));
  }
  spec.units = "1";
  spec.long_name = long_name;
  return writer.add_array(
      path, spec, std::span<const float>(values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel())));
}

std::vector<std::string> axes_of(HookPoint point) {
  switch (hook_axes(point)) {
  case HookAxes::head_query_key: return {"head", "query", "key"};
  case HookAxes::pos_head_d: return {"position", "head", "component"};
  case HookAxes::pos_kv_head_d: return {"position", "kv_head", "component"};
  case HookAxes::pos_d: return {"position", "component"};
  }
  return {};
}

Status write_weights(store::ResultWriter& writer, const Plan& plan, const Model& model) {
  const auto wanted = [&](const char* name) {
    return std::find(plan.weights.begin(), plan.weights.end(), name) != plan.weights.end();
  };
  const ModelWeights& weights = model.weights;
  if (wanted("W_E")) HS_TRY(write_tensor(writer, "/weights/W_E", weights.w_e, {"token", "d_model"}, "token embedding"));
  if (wanted("W_U")) HS_TRY(write_tensor(writer, "/weights/W_U", weights.w_u.t(), {"d_model", "token"}, "unembedding"));
  for (std::size_t layer = 0; layer < weights.blocks.size(); ++layer) {
    const BlockWeights& block = weights.blocks[layer];
    const std::string prefix = "/weights/blocks." + std::to_string(layer) + ".attn.";
    if (wanted("W_Q"))
      HS_TRY(write_tensor(writer, prefix + "W_Q", view_w_q(model.config, block), {"head", "d_model", "d_head"}, "W_Q"));
    if (wanted("W_K"))
      HS_TRY(
          write_tensor(writer, prefix + "W_K", view_w_k(model.config, block), {"kv_head", "d_model", "d_head"}, "W_K"));
    if (wanted("W_V"))
      HS_TRY(
          write_tensor(writer, prefix + "W_V", view_w_v(model.config, block), {"kv_head", "d_model", "d_head"}, "W_V"));
    if (wanted("W_O"))
      HS_TRY(write_tensor(writer, prefix + "W_O", view_w_o(model.config, block), {"head", "d_head", "d_model"}, "W_O"));
  }
  return {};
}

Status write_activations(store::ResultWriter& writer, const Plan& plan, const store::Prompt& prompt,
                         const DetectorRun& run) {
  RunRequest request;
  request.batch = TokenBatch::single(prompt.token_ids);
  request.capture = plan.capture;
  request.until = LogitRows::none;
  request.cancel = run.control.cancel;
  HS_ASSIGN(const RunResult result, run.engine.run(request));
  for (const auto& [site, value] : result.cache.all())
    HS_TRY(write_tensor(writer, "/activations/" + prompt.id + "/" + hook_name(site), value[0], axes_of(site.point),
                        hook_name(site)));
  return {};
}

} // namespace

nlohmann::json model_json(const Model& model) {
  const ModelConfig& config = model.config;
  return {{"name", model.identity.name},
          {"architecture", config.architecture},
          {"sha256", model.identity.sha256()},
          {"n_layers", config.n_layers},
          {"n_heads", config.n_heads},
          {"n_kv_heads", config.n_kv_heads},
          {"d_model", config.d_model},
          {"d_head", config.d_head},
          {"d_mlp", config.d_mlp},
          {"d_vocab", config.d_vocab},
          {"n_ctx", config.n_ctx}};
}

Result<Plan> read_plan(const nlohmann::json& json, const Engine& engine, const std::string& script) {
  if (!json.is_object()) return make_error(ErrorCode::corrupt, "the plan must be a JSON object", script);
  if (!json.contains("prompts") || !json.at("prompts").is_array())
    return make_error(ErrorCode::corrupt, "the plan must have a list of prompts", script, "prompts");
  Plan plan;
  for (const nlohmann::json& entry : json.at("prompts")) {
    HS_ASSIGN(store::Prompt prompt, read_prompt(entry, engine, script));
    const auto same = [&](const store::Prompt& other) { return other.id == prompt.id; };
    if (std::any_of(plan.prompts.begin(), plan.prompts.end(), same))
      return make_error(ErrorCode::corrupt, "there are two prompts '" + prompt.id + "'", script, "prompts.id");
    plan.prompts.push_back(std::move(prompt));
  }
  HS_ASSIGN(const std::vector<std::string> filters, texts(json, "capture", script));
  for (const std::string& filter : filters) {
    auto sites = match_hook_names(filter, engine.config());
    if (!sites.ok()) return make_error(sites.error().code, sites.error().to_string(), script, "capture");
    plan.capture.insert(plan.capture.end(), sites->begin(), sites->end());
  }
  HS_ASSIGN(plan.weights, texts(json, "weights", script));
  for (const std::string& name : plan.weights)
    if (std::find(std::begin(weight_names), std::end(weight_names), name) == std::end(weight_names))
      return make_error(ErrorCode::not_found, "there is no '" + name + "'; there are W_E, W_U, W_Q, W_K, W_V, W_O",
                        script, "weights");
  return plan;
}

nlohmann::json to_json(const std::vector<store::Prompt>& prompts) {
  nlohmann::json list = nlohmann::json::array();
  for (const store::Prompt& prompt : prompts)
    list.push_back(
        {{"id", prompt.id}, {"text", prompt.text}, {"tokens", prompt.token_ids}, {"pieces", prompt.token_pieces}});
  return list;
}

Status write_data(const Plan& plan, const DetectorRun& run, const std::string& file) {
  HS_TRY(check_size(plan, run.engine));
  store::ResultOptions options;
  options.deflate = 0; // read once
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(file, options));
  std::int64_t done = 0;
  for (const store::Prompt& prompt : plan.prompts) {
    run.control.report("running prompts", done++, static_cast<std::int64_t>(plan.prompts.size()));
    HS_TRY(writer.add_prompt(prompt));
    if (!plan.capture.empty()) HS_TRY(write_activations(writer, plan, prompt, run));
  }
  HS_TRY(write_weights(writer, plan, run.engine.model()));
  return writer.commit();
}

} // namespace headscope::plugin
