// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/prompt_set.h"

#include "core/base/text_file.h"
#include "core/tasks/prompt_file.h"

namespace headscope::cli {

void add_prompt_set_options(CLI::App& command, PromptSetOptions& options) {
  add_prompt_options(command, options.prompt);
  command.add_option("--answer", options.answer, "The right next token, e.g. ' Mary'");
  command.add_option("--wrong", options.wrong, "The wrong one, e.g. ' John'");
  command.add_option("--prompts-file", options.file,
                     "Prompts: .csv with the columns prompt,answer,wrong, .jsonl or .json with these fields, or .txt "
                     "with a prompt a line");
  add_task_options(command, options.task);
}

Status check_prompt_set(const PromptSetOptions& options) {
  const bool one = !options.prompt.text.empty() || !options.prompt.file.empty();
  const int sources = (one ? 1 : 0) + (options.file.empty() ? 0 : 1) + (options.task.given() ? 1 : 0);
  if (sources == 0)
    return make_error(ErrorCode::invalid_argument,
                      "the prompt is empty; give --prompt, --prompts-file, --task or --ioi N", {}, "--prompt");
  if (sources > 1)
    return make_error(ErrorCode::invalid_argument, "give one of --prompt, --prompts-file, --task and --ioi", {},
                      "--prompt");
  for (const std::string& file : {options.file, options.prompt.file})
    if (!file.empty()) HS_TRY(check_readable(file));
  return check_task(options.task);
}

Result<Answers> answers_of(const Model& model, const PromptRow& row, bool need_answer, bool need_wrong,
                           std::size_t prompt, std::vector<UnspacedAnswer>& unspaced) {
  Answers answers;
  if (row.answer.empty() && need_answer)
    return make_error(ErrorCode::invalid_argument, "this metric needs one", {}, "--answer");
  if (row.wrong.empty() && need_wrong)
    return make_error(ErrorCode::invalid_argument, "this metric needs one", {}, "--wrong");
  for (const auto& [text, ids, field] :
       {std::tuple(&row.answer, &answers.answer, "--answer"), {&row.wrong, &answers.wrong, "--wrong"}}) {
    for (const std::string& each : split_answers(*text)) {
      const auto token = answer_token(*model.tokenizer, each);
      if (!token.ok()) return make_error(token.error().code, token.error().message, {}, field);
      ids->push_back(*token);
      note_unspaced(*model.tokenizer, prompt, each, *token, unspaced);
    }
  }
  if (!answers.answer.empty() && answers.answer == answers.wrong)
    return make_error(ErrorCode::invalid_argument, "is the same token as --answer", {}, "--wrong");
  return answers;
}

namespace {

Result<AblationTask> task_prompts(const Model& model, const PromptSetOptions& options) {
  HS_ASSIGN(const TaskSet made, make_task(*model.tokenizer, options.task.request()));
  AblationTask task;
  task.prompts = made.prompts();
  task.dropped = dropped_lines(made);
  for (std::size_t i = 0; i < task.prompts.size(); ++i)
    task.ids.push_back(made.name + "-" + std::to_string(i));
  return task;
}

} // namespace

Result<AblationTask> make_prompt_set(const Model& model, const PromptSetOptions& options, bool need_answer,
                                     bool need_wrong) {
  if (options.task.given()) return task_prompts(model, options);
  std::vector<PromptRow> rows;
  if (options.file.empty()) {
    HS_ASSIGN(const std::string text, prompt_text(options.prompt));
    rows = {{text, options.answer, options.wrong, {}, {}}};
  } else {
    HS_ASSIGN(rows, read_prompt_file(options.file));
  }
  AblationTask task;
  for (const PromptRow& row : rows) {
    const auto located = [&](const Error& error) {
      if (options.file.empty()) return error;
      return make_error(error.code, error.field + ": " + error.message, options.file, row.place);
    };
    auto tokens = encode_prompt(model, row.prompt, options.prompt);
    if (!tokens.ok()) return located(tokens.error());
    auto answers = answers_of(model, row, need_answer, need_wrong, task.prompts.size(), task.unspaced);
    if (!answers.ok()) return located(answers.error());
    task.ids.push_back("prompt-" + std::to_string(task.prompts.size()));
    task.prompts.push_back({std::move(*tokens), std::move(*answers)});
  }
  return task;
}

store::Attributes option_attributes(const PromptSetOptions& options) {
  store::Attributes used = option_attributes(options.prompt);
  if (!options.file.empty()) used.push_back({"prompts_file", options.file});
  const store::Attributes task = option_attributes(options.task);
  used.insert(used.end(), task.begin(), task.end());
  if (!options.answer.empty()) used.push_back({"answer", options.answer});
  if (!options.wrong.empty()) used.push_back({"wrong", options.wrong});
  return used;
}

} // namespace headscope::cli
