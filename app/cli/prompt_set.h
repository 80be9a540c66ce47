// SPDX-License-Identifier: GPL-3.0-or-later
// The prompts of a sweep: one from the command line, a file of them, or those of a task.
#pragma once

#include "app/cli/ablate_run.h"
#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/task_options.h"
#include "core/tasks/prompt_file.h"

namespace headscope::cli {

struct PromptSetOptions {
  PromptOptions prompt;
  std::string answer, wrong;
  std::string file; // see prompt_file.h
  TaskOptions task;
};

void add_prompt_set_options(CLI::App& command, PromptSetOptions& options);
// What can be said before the model is loaded: exactly one source of prompts, none of them empty.
Status check_prompt_set(const PromptSetOptions& options);
// `name` of the task is left to the caller.
Result<AblationTask> make_prompt_set(const Model& model, const PromptSetOptions& options, bool need_answer,
                                     bool need_wrong);

// The answers of a row as tokens. invalid_argument where one is needed and missing, mismatch for several tokens.
// `unspaced` gets the answers of this prompt (its index) that lack a leading space which the vocabulary has.
Result<Answers> answers_of(const Model& model, const PromptRow& row, bool need_answer, bool need_wrong,
                           std::size_t prompt, std::vector<UnspacedAnswer>& unspaced);

store::Attributes option_attributes(const PromptSetOptions& options);

} // namespace headscope::cli
