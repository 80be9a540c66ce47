// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/inputs/prompt_set.h"

#include "app/runs/result_parts.h"
#include "core/base/text_file.h"
#include "core/prompts/prompt_file.h"

namespace headscope::methods {

void list_prompt_set_options(OptionList& list, PromptSetOptions& options) {
  list_prompt_options(list, options.prompt);
  list.add("answer", options.answer, "The right next token, e.g. ' Mary'");
  list.add("wrong", options.wrong, "The wrong one, e.g. ' John'");
  list.add("prompts_file", options.file,
           "Prompts: .csv with the columns prompt,answer,wrong, .jsonl or .json with these fields, or .txt with a "
           "prompt a line")
      .reads_file();
  list_task_options(list, options.task);
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

Result<PromptSet> task_prompts(const Engine& engine, const PromptSetOptions& options) {
  HS_ASSIGN(const TaskSet made, make_task(*engine.model().tokenizer, options.task.request()));
  PromptSet set;
  set.prompts = made.prompts();
  set.dropped = dropped_lines(made);
  for (std::size_t i = 0; i < set.prompts.size(); ++i)
    set.ids.push_back(made.name + "-" + std::to_string(i));
  return set;
}

} // namespace

Result<PromptSet> make_prompt_set(const Engine& engine, const PromptSetOptions& options, bool need_answer,
                                  bool need_wrong) {
  if (options.task.given()) return task_prompts(engine, options);
  std::vector<PromptRow> rows;
  if (options.file.empty()) {
    HS_ASSIGN(const std::string text, prompt_text(options.prompt));
    rows = {{text, options.answer, options.wrong, {}, {}}};
  } else {
    HS_ASSIGN(rows, read_prompt_file(options.file));
  }
  PromptSet set;
  for (const PromptRow& row : rows) {
    const auto located = [&](const Error& error) {
      if (options.file.empty()) return error;
      return make_error(error.code, error.field + ": " + error.message, options.file, row.place);
    };
    auto tokens = encode_prompt(engine, row.prompt, options.prompt);
    if (!tokens.ok()) return located(tokens.error());
    auto answers = answers_of(engine.model(), row, need_answer, need_wrong, set.prompts.size(), set.unspaced);
    if (!answers.ok()) return located(answers.error());
    set.ids.push_back("prompt-" + std::to_string(set.prompts.size()));
    set.prompts.push_back({std::move(*tokens), std::move(*answers)});
  }
  return set;
}

TokenRows PromptSet::rows() const {
  TokenRows rows;
  for (const AblationPrompt& prompt : prompts)
    rows.push_back(prompt.tokens);
  return rows;
}

Status warn_unspaced(const Engine& engine, const TokenRows& prompts, const std::vector<UnspacedAnswer>& answers,
                     const Context& context) {
  if (answers.empty()) return {};
  HS_ASSIGN(const std::string warning, leading_space_warning(engine, prompts, answers, context.cancel));
  if (!warning.empty()) context.warn(warning);
  return {};
}

Status store_prompts(store::ResultWriter& writer, const Model& model, const PromptSet& set, const Context& context) {
  if (!set.dropped.empty()) HS_TRY(writer.set_attributes("/prompts", {{"dropped", set.dropped}}));
  for (std::size_t i = 0; i < set.prompts.size(); ++i) {
    if (context.cancel.cancelled()) return make_error(ErrorCode::cancelled, "interrupted before anything was measured");
    HS_TRY(writer.add_prompt(prompt_of(model, set.ids[i], set.prompts[i].tokens, set.prompts[i].answers)));
  }
  return {};
}

store::Attributes source_attributes(const PromptOptions& prompt, const std::string& file, const TaskOptions& task,
                                    const std::string& answer, const std::string& wrong) {
  store::Attributes used = option_attributes(prompt);
  if (!file.empty()) used.push_back({"prompts_file", file});
  const store::Attributes of_task = option_attributes(task);
  used.insert(used.end(), of_task.begin(), of_task.end());
  if (!answer.empty()) used.push_back({"answer", answer});
  if (!wrong.empty()) used.push_back({"wrong", wrong});
  return used;
}

store::Attributes option_attributes(const PromptSetOptions& options) {
  return source_attributes(options.prompt, options.file, options.task, options.answer, options.wrong);
}

} // namespace headscope::methods
