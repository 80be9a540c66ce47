// SPDX-License-Identifier: GPL-3.0-or-later
// The prompts of a sweep: one from the command line, a file of them, or those of a task.
#pragma once

#include "app/methods/base/context.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/inputs/task_options.h"
#include "core/analysis/leading_space.h"
#include "core/prompts/prompt_file.h"
#include "core/store/result_file.h"
#include "core/sweeps/head_ablation.h"

namespace headscope::methods {

struct PromptSetOptions {
  PromptOptions prompt;
  std::string answer, wrong;
  std::string file; // see prompt_file.h
  TaskOptions task;
};

struct PromptSet {
  std::vector<AblationPrompt> prompts;
  std::vector<std::string> ids;          // of the prompts
  std::vector<std::string> dropped = {}; // pairs of the task that do not align, by reason
  std::vector<UnspacedAnswer> unspaced = {};

  TokenRows rows() const;
};

void list_prompt_set_options(OptionList& list, PromptSetOptions& options);
// Checks, before the model is loaded, that there is exactly one source of prompts and no prompt is empty.
Status check_prompt_set(const PromptSetOptions& options);
Result<PromptSet> make_prompt_set(const Engine& engine, const PromptSetOptions& options, bool need_answer,
                                  bool need_wrong);

// The answers of a row as tokens. Returns invalid_argument where one is needed and missing, mismatch for several
// tokens. `unspaced` gets the answers of this prompt (its index) that lack a leading space which the vocabulary has.
Result<Answers> answers_of(const Model& model, const PromptRow& row, bool need_answer, bool need_wrong,
                           std::size_t prompt, std::vector<UnspacedAnswer>& unspaced);

// Warns of answers that the model would write with a leading space.
Status warn_unspaced(const Engine& engine, const TokenRows& prompts, const std::vector<UnspacedAnswer>& answers,
                     const Context& context);

// Stores /prompts, and which were dropped. Returns cancelled where interrupted.
Status store_prompts(store::ResultWriter& writer, const Model& model, const PromptSet& set, const Context& context);

// The attributes by which a result records the source of its prompts or pairs.
store::Attributes source_attributes(const PromptOptions& prompt, const std::string& file, const TaskOptions& task,
                                    const std::string& answer, const std::string& wrong);
store::Attributes option_attributes(const PromptSetOptions& options);

} // namespace headscope::methods
