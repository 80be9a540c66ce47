// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/model_options.h"

#include <filesystem>

#include <ATen/Parallel.h>

#include "app/cli/progress.h"
#include "core/base/text_file.h"
#include "core/engine/device.h"
#include "core/io/checkpoint.h"
#include "core/model/model_store.h"
#include "plugins/host/plugin_host.h"

namespace headscope::cli {

void add_device_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--dtype", options.dtype, "float32, bfloat16 or float16")->capture_default_str();
  command.add_option("--device", options.device, "cpu, cuda or cuda:N")->capture_default_str();
  command.add_option("--threads", options.threads, "CPU threads; 0: all cores")
      ->capture_default_str()
      ->check(at_least(0));
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--model,-m", options.model, "A folder, a .gguf file, smollm2 or gemma3-270m")->required();
  add_device_options(command, options);
  command
      .add_option("--attention", options.attention, "What computes attention: default, or a backend of plugins list")
      ->capture_default_str();
  command.add_flag("--fold-ln", options.fold_ln, "Fold norm weights into the matrices that read them");
  command.add_flag("--center-writing-weights", options.center_writing_weights,
                   "Remove the mean of what is written to the residual");
  command.add_flag("--center-unembed", options.center_unembed, "Remove the mean logit");
  command.add_flag("--fold-value-biases", options.fold_value_biases, "Move b_V into b_O");
}

namespace {

Result<at::ScalarType> parse_dtype(const std::string& name) {
  if (name == "float32" || name == "f32") return at::kFloat;
  if (name == "bfloat16" || name == "bf16") return at::kBFloat16;
  if (name == "float16" || name == "f16") return at::kHalf;
  return make_error(ErrorCode::invalid_argument, "must be float32, bfloat16 or float16, not '" + name + "'", {},
                    "--dtype");
}

} // namespace

Result<LoadOptions> load_options(const ModelOptions& options, const Console& console) {
  LoadOptions how;
  HS_ASSIGN(how.dtype, parse_dtype(options.dtype));
  HS_ASSIGN(how.device, open_device(options.device));
  how.processing = {options.fold_ln, options.center_writing_weights, options.center_unembed, options.fold_value_biases};
  how.threads = options.threads;
  how.task = console.task();
  if (options.threads > 0) at::set_num_threads(options.threads);
  return how;
}

Result<std::shared_ptr<const Model>> load(const ModelOptions& options, const Console& console, bool need_tokenizer) {
  HS_ASSIGN(LoadOptions how, load_options(options, console));
  how.require_tokenizer = need_tokenizer;
  auto model = load_model(options.model, how);
  finish_progress();
  return model;
}

Result<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& model) {
  HS_ASSIGN(const std::string path, resolve_model_path(model));
  std::error_code unreadable;
  for (const char* name : {"tokenizer.json", "vocab.json", "tokenizer.model"})
    if (std::filesystem::exists(std::filesystem::path(path) / name, unreadable))
      return load_tokenizer_folder(path); // no weights needed
  if (path.ends_with(".model") || path.ends_with(".json")) return load_tokenizer_folder(path);
  HS_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(path));
  return checkpoint.gguf() ? load_tokenizer_gguf(*checkpoint.gguf()) : load_tokenizer_folder(checkpoint.folder());
}

Result<std::shared_ptr<const AttentionBackend>> open_attention(const Model& model, const ModelOptions& options) {
  if (options.attention == "default") return std::shared_ptr<const AttentionBackend>{};
  auto found = plugin::PluginHost::load().attention(options.attention);
  if (!found.ok()) return make_error(found.error().code, found.error().message, found.error().file, "--attention");
  if (const Status fits = (*found)->check(model); !fits.ok())
    return make_error(fits.error().code, fits.error().message, model.identity.path, "--attention");
  return std::shared_ptr<const AttentionBackend>(std::move(*found));
}

Result<Engine> open_engine(std::shared_ptr<const Model> model, const ModelOptions& options) {
  HS_ASSIGN(auto attention, open_attention(*model, options));
  return Engine(std::move(model), std::move(attention));
}

store::Attributes option_attributes(const ModelOptions& options) {
  return {{"model", options.model},
          {"dtype", options.dtype},
          {"device", options.device},
          {"attention", options.attention},
          {"threads", static_cast<std::int64_t>(at::get_num_threads())},
          {"fold_ln", options.fold_ln},
          {"center_writing_weights", options.center_writing_weights},
          {"center_unembed", options.center_unembed},
          {"fold_value_biases", options.fold_value_biases}};
}

void add_prompt_options(CLI::App& command, PromptOptions& options) {
  auto* text = command.add_option("--prompt,-p", options.text, "The prompt");
  command.add_option("--prompt-file", options.file, "Read the prompt from a file")->excludes(text);
  command.add_flag("--chat", options.chat, "Put the prompt into the model's chat template as the user's message");
  command.add_flag("--no-bos", options.no_bos, "Add no BOS and no EOS");
}

store::Attributes option_attributes(const PromptOptions& options) {
  return {{"chat", options.chat}, {"add_special", !options.chat && !options.no_bos}};
}

Result<std::string> prompt_text(const PromptOptions& options) {
  if (options.file.empty()) return options.text;
  return read_text_file(options.file);
}

Result<std::vector<std::int64_t>> encode_prompt(const Model& model, const std::string& text,
                                                const PromptOptions& options) {
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  std::string prompt = text;
  if (options.chat) {
    const std::vector<ChatMessage> messages = {{"user", text}};
    HS_ASSIGN(prompt, render_chat(*model.tokenizer, messages, true));
  }
  HS_ASSIGN(auto ids, model.tokenizer->encode(prompt, {!options.chat && !options.no_bos, true}));
  if (ids.empty()) return make_error(ErrorCode::invalid_argument, "the prompt has no tokens", {}, "--prompt");
  if (static_cast<std::int64_t>(ids.size()) > model.config.n_ctx)
    return make_error(ErrorCode::mismatch,
                      "the prompt has " + std::to_string(ids.size()) + " tokens, the model's context " +
                          std::to_string(model.config.n_ctx),
                      model.identity.path, "--prompt");
  return ids;
}

} // namespace headscope::cli
