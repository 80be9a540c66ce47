// SPDX-License-Identifier: GPL-3.0-or-later
// --model, --dtype, --device, --attention, --threads and the loading of a model with them; prompts and their tokens.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/base/option.h"
#include "core/engine/engine.h"
#include "core/model/model.h"
#include "core/store/result_types.h"

namespace headscope::methods {

struct ModelOptions {
  std::string model;
  std::string dtype = "float32";
  std::string device = "cpu";
  std::string attention = "default";
  int threads = 0;
  bool fold_ln = false, center_writing_weights = false, center_unembed = false, fold_value_biases = false;
};

void list_model_options(OptionList& list, ModelOptions& options);
// Lists only dtype, device and threads.
void list_device_options(OptionList& list, ModelOptions& options);

// Reads and checks all options except the model's name: opens the device and sets the number of threads.
Result<LoadOptions> load_options(const ModelOptions& options, const Context& context);

// Loads the model with progress; a model without a tokenizer is an error when one is needed.
Result<std::shared_ptr<const Model>> load(const ModelOptions& options, const Context& context, bool need_tokenizer);

// Opens the tokenizer alone, without reading weights.
Result<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& model);

// Reads the plan that was asked for; null: the default. Errors are those of AttentionPlan::parse().
Result<std::shared_ptr<const AttentionBackend>> open_attention(const Model& model, const ModelOptions& options);
// Opens an engine with that attention.
Result<Engine> open_engine(std::shared_ptr<const Model> model, const ModelOptions& options);

store::Attributes option_attributes(const ModelOptions& options);
// SHA-256 of the files that results depend on through attention: those that its options name, and its plugins.
Result<std::vector<std::string>> attention_file_hashes(const ModelOptions& options);

struct PromptOptions {
  std::string text, file;
  bool chat = false, no_bos = false;
};

// Lists the options prompt, prompt_file, chat and no_bos.
void list_prompt_options(OptionList& list, PromptOptions& options);
Result<std::string> prompt_text(const PromptOptions& options);
// Reads the prompt of a method that takes one; returns invalid_argument where it is empty.
Result<std::string> one_prompt(const PromptOptions& options);
// Returns invalid_argument for an empty prompt, mismatch for one longer than the context.
Result<std::vector<std::int64_t>> encode_prompt(const Engine& engine, const std::string& text,
                                                const PromptOptions& options);

store::Attributes option_attributes(const PromptOptions& options);

} // namespace headscope::methods
