// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/inputs/model_options.h"

#include <filesystem>
#include <utility>

#include <ATen/Parallel.h>

#include "app/runs/known_mechanisms.h"
#include "core/base/text_file.h"
#include "core/engine/device.h"
#include "core/io/checkpoint.h"
#include "core/mechanisms/plan.h"
#include "core/model/dtype.h"
#include "core/model/model_store.h"

namespace headscope::methods {

namespace {

// Reads a dtype by its name, or as GGUF writes it.
Result<at::ScalarType> parse_dtype(const std::string& name) {
  constexpr std::pair<const char*, at::ScalarType> short_names[] = {
      {"f32", at::kFloat}, {"bf16", at::kBFloat16}, {"f16", at::kHalf}};
  for (const auto& [also, dtype] : short_names)
    if (name == also) return dtype;
  for (const auto& each : names_of<at::ScalarType>())
    if (name == each.name) return each.value;
  return make_error(ErrorCode::invalid_argument, "must be " + all_names<at::ScalarType>() + ", not '" + name + "'", {},
                    "--dtype");
}

} // namespace

void list_device_options(OptionList& list, ModelOptions& options) {
  list.add("dtype", options.dtype, all_names<at::ScalarType>());
  list.add("device", options.device, "cpu, cuda or cuda:N");
  list.add("threads", options.threads, "CPU threads; 0: all cores").at_least(0);
}

void list_model_options(OptionList& list, ModelOptions& options) {
  list.add("model", options.model, "A folder, a .gguf file, smollm2 or gemma3-270m").flags({"-m"}).must();
  list_device_options(list, options);
  list.add("attention", options.attention,
           "What computes attention: default, or mechanisms of Headscope and of plugins (headscope mechanisms) as "
           "window:window=256@layers=4-29, several joined by ';'");
  list.add("fold_ln", options.fold_ln, "Fold norm weights into the matrices that read them");
  list.add("center_writing_weights", options.center_writing_weights,
           "Remove the mean of what is written to the residual");
  list.add("center_unembed", options.center_unembed, "Remove the mean logit");
  list.add("fold_value_biases", options.fold_value_biases, "Move b_V into b_O");
}

Result<LoadOptions> load_options(const ModelOptions& options, const Context& context) {
  LoadOptions how;
  HS_ASSIGN(how.dtype, parse_dtype(options.dtype));
  HS_ASSIGN(how.device, open_device(options.device));
  how.processing = {options.fold_ln, options.center_writing_weights, options.center_unembed, options.fold_value_biases};
  how.threads = options.threads;
  how.control = context.control();
  if (options.threads > 0) at::set_num_threads(options.threads);
  return how;
}

Result<std::shared_ptr<const Model>> load(const ModelOptions& options, const Context& context, bool need_tokenizer) {
  HS_ASSIGN(LoadOptions how, load_options(options, context));
  how.require_tokenizer = need_tokenizer;
  auto model = load_model(options.model, how);
  context.finish_progress();
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
  auto plan = mechanisms::AttentionPlan::parse(options.attention, model.config, mechanisms_for(options.attention));
  if (!plan.ok()) return make_error(plan.error().code, plan.error().message, plan.error().file, "--attention");
  return std::shared_ptr<const AttentionBackend>(std::move(*plan));
}

Result<Engine> open_engine(std::shared_ptr<const Model> model, const ModelOptions& options) {
  HS_ASSIGN(auto attention, open_attention(*model, options));
  return Engine(std::move(model), std::move(attention));
}

namespace {

store::Attributes model_attributes(const ModelOptions& options) {
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

} // namespace

Result<std::vector<std::string>> attention_file_hashes(const ModelOptions& options) {
  HS_ASSIGN(PlanHashes hashes, hashes_of_plan(options.attention));
  std::vector<std::string> all = std::move(hashes.options);
  all.insert(all.end(), hashes.modules.begin(), hashes.modules.end());
  return all;
}

store::Attributes option_attributes(const ModelOptions& options) {
  store::Attributes attributes = model_attributes(options);
  for (store::Attribute& each : plan_attributes(options.attention))
    attributes.push_back(std::move(each));
  return attributes;
}

void list_prompt_options(OptionList& list, PromptOptions& options) {
  list.add("prompt", options.text, "The prompt").flags({"-p"}).prose();
  list.add("prompt_file", options.file, "Read the prompt from a file").reads_file().excluding("prompt");
  list.add("chat", options.chat, "Put the prompt into the model's chat template as the user's message")
      .says(OfPrompts::chat);
  list.add("no_bos", options.no_bos, "Add no BOS and no EOS").says(OfPrompts::no_bos);
}

store::Attributes option_attributes(const PromptOptions& options) {
  return {{"chat", options.chat}, {"add_special", !options.chat && !options.no_bos}};
}

Result<std::string> prompt_text(const PromptOptions& options) {
  if (options.file.empty()) return options.text;
  return read_text_file(options.file);
}

Result<std::string> one_prompt(const PromptOptions& options) {
  HS_ASSIGN(std::string text, prompt_text(options));
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  return text;
}

Result<std::vector<std::int64_t>> encode_prompt(const Engine& engine, const std::string& text,
                                                const PromptOptions& options) {
  if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--prompt");
  const Model& model = engine.model();
  std::string prompt = text;
  if (options.chat) {
    const std::vector<ChatMessage> messages = {{"user", text}};
    HS_ASSIGN(prompt, render_chat(*model.tokenizer, messages, true));
  }
  HS_ASSIGN(auto ids, model.tokenizer->encode(prompt, {!options.chat && !options.no_bos, true}));
  if (ids.empty()) return make_error(ErrorCode::invalid_argument, "the prompt has no tokens", {}, "--prompt");
  if (const Status fits = engine.check_length(std::ssize(ids), "the prompt", "--prompt"); !fits.ok())
    return make_error(fits.error().code, fits.error().message, model.identity.path, fits.error().field);
  return ids;
}

} // namespace headscope::methods
