// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/prompt_set.h"

#include "app/cli/csv.h"
#include "core/analysis/ioi_task.h"

namespace headscope::cli {

void add_prompt_set_options(CLI::App& command, PromptSetOptions& options) {
  add_prompt_options(command, options.prompt);
  command.add_option("--answer", options.answer, "The right next token, e.g. ' Mary'");
  command.add_option("--wrong", options.wrong, "The wrong one, e.g. ' John'");
  command.add_option("--prompts-file", options.file, "CSV with the columns prompt,answer,wrong");
  command.add_option("--ioi", options.ioi, "Use N generated indirect-object prompts")->check(CLI::NonNegativeNumber);
  command.add_option("--ioi-seed", options.ioi_seed, "Of the generated prompts")->capture_default_str();
}

Status check_prompt_set(const PromptSetOptions& options) {
  const bool one = !options.prompt.text.empty() || !options.prompt.file.empty();
  const int sources = (one ? 1 : 0) + (options.file.empty() ? 0 : 1) + (options.ioi > 0 ? 1 : 0);
  if (sources == 0)
    return make_error(ErrorCode::invalid_argument, "the prompt is empty; give --prompt, --prompts-file or --ioi N", {},
                      "--prompt");
  if (sources > 1)
    return make_error(ErrorCode::invalid_argument, "give one of --prompt, --prompts-file and --ioi", {}, "--prompt");
  return {};
}

namespace {

struct Row {
  std::string prompt, answer, wrong;
};

Result<std::vector<Row>> rows_of_file(const std::string& path) {
  HS_ASSIGN(const std::string text, read_text_file(path));
  HS_ASSIGN(const CsvTable table, parse_csv(text, path));
  const auto column = [&](std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (const auto index = table.column(name)) return index;
    return std::optional<std::size_t>{};
  };
  const auto prompt = column({"prompt", "clean"}), answer = column({"answer"}), wrong = column({"wrong"});
  if (!prompt) return make_error(ErrorCode::invalid_argument, "has no column prompt (or clean)", path, "header");
  std::vector<Row> rows;
  for (const auto& cells : table.rows)
    rows.push_back({cells[*prompt], answer ? cells[*answer] : "", wrong ? cells[*wrong] : ""});
  if (rows.empty()) return make_error(ErrorCode::invalid_argument, "has no prompts", path);
  return rows;
}

Result<Answers> answers_of(const Model& model, const Row& row, bool need_answer, bool need_wrong) {
  Answers answers;
  if (row.answer.empty() && need_answer)
    return make_error(ErrorCode::invalid_argument, "this metric needs one", {}, "--answer");
  if (row.wrong.empty() && need_wrong)
    return make_error(ErrorCode::invalid_argument, "this metric needs one", {}, "--wrong");
  for (const auto& [text, ids, field] :
       {std::tuple(&row.answer, &answers.answer, "--answer"), {&row.wrong, &answers.wrong, "--wrong"}}) {
    if (text->empty()) continue;
    const auto token = answer_token(*model.tokenizer, *text);
    if (!token.ok()) return make_error(token.error().code, token.error().message, {}, field);
    ids->push_back(*token);
  }
  return answers;
}

} // namespace

Result<AblationTask> make_prompt_set(const Model& model, const PromptSetOptions& options, bool need_answer,
                                     bool need_wrong) {
  AblationTask task;
  if (options.ioi > 0) {
    IoiOptions ioi;
    ioi.count = options.ioi;
    ioi.seed = options.ioi_seed;
    HS_ASSIGN(const IoiTask made, make_ioi_task(*model.tokenizer, ioi));
    task.prompts = ablation_prompts(made);
    for (std::size_t i = 0; i < task.prompts.size(); ++i)
      task.ids.push_back("ioi-" + std::to_string(i));
    return task;
  }
  std::vector<Row> rows;
  if (options.file.empty()) {
    HS_ASSIGN(const std::string text, prompt_text(options.prompt));
    rows = {{text, options.answer, options.wrong}};
  } else {
    HS_ASSIGN(rows, rows_of_file(options.file));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    AblationPrompt prompt;
    HS_ASSIGN(prompt.tokens, encode_prompt(model, rows[i].prompt, options.prompt));
    HS_ASSIGN(prompt.answers, answers_of(model, rows[i], need_answer, need_wrong));
    task.prompts.push_back(std::move(prompt));
    task.ids.push_back("prompt-" + std::to_string(i));
  }
  return task;
}

} // namespace headscope::cli
