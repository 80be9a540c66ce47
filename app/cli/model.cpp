// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/model.h"

#include <cstdio>

#include "app/cli/command.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "app/runs/parity.h"
#include "app/runs/result_parts.h"

namespace headscope::cli {
namespace {

const char* norm_name(NormKind norm) {
  switch (norm) {
  case NormKind::none: return "none";
  case NormKind::layer_norm: return "LayerNorm";
  case NormKind::layer_norm_pre: return "LayerNorm without weights";
  case NormKind::rms_norm: return "RMSNorm";
  }
  return "";
}

nlohmann::json describe(const Model& model) {
  const ModelConfig& c = model.config;
  nlohmann::json json = {
      {"name", model.identity.name},
      {"path", model.identity.path},
      {"architecture", c.architecture},
      {"format", model.identity.format},
      {"quantisation", model.identity.quantisation},
      {"sha256", model.identity.sha256()},
      {"dtype", dtype_name(model.dtype)},
      {"n_layers", c.n_layers},
      {"d_model", c.d_model},
      {"n_heads", c.n_heads},
      {"n_kv_heads", c.n_kv_heads},
      {"d_head", c.d_head},
      {"d_mlp", c.d_mlp},
      {"d_vocab", c.d_vocab},
      {"d_vocab_out", c.n_logits()},
      {"n_ctx", c.n_ctx},
      {"norm", norm_name(c.norm)},
      {"parameters", parameter_count(model.weights)},
      {"bytes", weight_bytes(model.weights)},
  };
  json["tokenizer"] = nullptr;
  if (model.tokenizer)
    json["tokenizer"] = {{"kind", model.tokenizer->kind()},
                         {"vocab_size", model.tokenizer->vocab_size()},
                         {"chat_template", !model.tokenizer->chat_template().empty()}};
  json["tokenizer_error"] = nullptr;
  if (model.tokenizer_error && model.tokenizer_error->code != ErrorCode::not_found)
    json["tokenizer_error"] = model.tokenizer_error->to_string();
  const std::optional<ParityRecord> parity = parity_of(model.identity.sha256());
  json["parity"] = nullptr;
  if (parity)
    json["parity"] = {{"reference", parity->reference},
                      {"max_abs_logit_error", parity->max_abs_logit_error},
                      {"dtype", parity->dtype}};
  return json;
}

void print_text(const nlohmann::json& j) {
  const auto whole = [&](const char* key) { return std::to_string(j[key].get<std::int64_t>()); };
  const std::int64_t kv = j["n_kv_heads"].get<std::int64_t>();
  std::vector<std::vector<std::string>> lines = {
      {"name", j["name"]},
      {"file", j["path"]},
      {"SHA-256", j["sha256"]},
      {"architecture", j["architecture"]},
      {"format", j["format"].get<std::string>() + ", mostly " + j["quantisation"].get<std::string>()},
      {"layers", whole("n_layers")},
      {"d_model", whole("d_model")},
      {"heads", whole("n_heads") + " of " + whole("d_head") +
                    (kv != j["n_heads"].get<std::int64_t>() ? ", sharing " + whole("n_kv_heads") + " K/V heads" : "")},
      {"d_mlp", j["d_mlp"].get<std::int64_t>() ? whole("d_mlp") : "none (attention only)"},
      {"norm", j["norm"]},
      {"vocabulary",
       whole("d_vocab") + (j["d_vocab_out"] != j["d_vocab"] ? ", logits for " + whole("d_vocab_out") : "")},
      {"context", whole("n_ctx") + " tokens"},
      {"parameters", whole("parameters") + " (" + fixed(j["bytes"].get<double>() / 1048576.0, 1) + " MiB as " +
                         j["dtype"].get<std::string>() + ")"},
  };
  if (j["tokenizer_error"].is_string())
    lines.push_back({"tokenizer", "cannot be used: " + j["tokenizer_error"].get<std::string>()});
  else if (j["tokenizer"].is_null())
    lines.push_back({"tokenizer", "none"});
  else
    lines.push_back({"tokenizer", j["tokenizer"]["kind"].get<std::string>() + ", " +
                                      std::to_string(j["tokenizer"]["vocab_size"].get<std::int64_t>()) + " tokens" +
                                      (j["tokenizer"]["chat_template"].get<bool>() ? ", chat template" : "")});
  if (j["parity"].is_null())
    lines.push_back({"parity", "no stored reference for this file"});
  else {
    char error[32];
    std::snprintf(error, sizeof error, "%.2g", j["parity"]["max_abs_logit_error"].get<double>());
    lines.push_back({"parity", std::string("logits within ") + error + " of " +
                                   j["parity"]["reference"].get<std::string>() + " (" +
                                   j["parity"]["dtype"].get<std::string>() + ")"});
  }
  std::printf("%s", aligned(lines).c_str());
}

Status info(const ModelOptions& options, const Console& console) {
  if (options.model.empty()) return make_error(ErrorCode::invalid_argument, "no model is named", {}, "MODEL");
  HS_ASSIGN(const auto model, load(options, console.context(), false));
  const nlohmann::json json = describe(*model);
  if (console.json)
    console.print(json);
  else
    print_text(json);
  return {};
}

} // namespace

void add_model(CLI::App& app, Commands& commands) {
  CLI::App* group = app.add_subcommand("model", "About a model");
  group->require_subcommand(1);
  CLI::App* command =
      add_command(*group, commands, "info", "Load a model and print what it is", "headscope model info smollm2");
  auto options = std::make_shared<ModelOptions>();
  command->add_option("MODEL,--model,-m", options->model,
                      "A folder, a .gguf file, smollm2 or gemma3-270m; with or without --model, but needed");
  command->add_option("--dtype", options->dtype, "float32, bfloat16 or float16")->capture_default_str();
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return info(*options, console); };
  });
}

} // namespace headscope::cli
