// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/inputs/pair_set.h"

#include "app/methods/base/output.h"
#include "app/methods/inputs/prompt_set.h"
#include "app/runs/result_parts.h"
#include "core/base/text_file.h"
#include "core/prompts/prompt_file.h"

namespace headscope::methods {
namespace {

Result<PairSet> task_pairs(const Engine& engine, const PairSetOptions& options) {
  HS_ASSIGN(const TaskSet made, make_task(*engine.model().tokenizer, options.task.request()));
  return PairSet{made.pairs(), made.title(), dropped_lines(made), {}};
}

Result<PatchPair> pair_of(const Engine& engine, const PromptRow& row, const PairSetOptions& options,
                          const PairNeeds& needs, PairSet& set) {
  PatchPair pair;
  if (row.prompt.empty()) return make_error(ErrorCode::invalid_argument, "the clean prompt is empty", {}, "--clean");
  HS_ASSIGN(pair.clean, encode_prompt(engine, row.prompt, options.prompt));
  if (row.corrupted.empty() && needs.corrupt)
    return make_error(ErrorCode::invalid_argument, "the corrupt prompt is empty", {}, "--corrupt");
  if (!row.corrupted.empty()) {
    HS_ASSIGN(pair.corrupt, encode_prompt(engine, row.corrupted, options.prompt));
  }
  HS_ASSIGN(pair.answers, answers_of(engine.model(), row, needs.answer, needs.wrong, set.pairs.size(), set.unspaced));
  return pair;
}

} // namespace

void list_pair_set_options(OptionList& list, PairSetOptions& options) {
  list.add("clean", options.clean, "The prompt that the answer belongs to").prose();
  list.add("corrupt", options.corrupt, "A prompt of as many tokens to which it does not").prose();
  list.add("answer", options.answer, "The right next token of the clean prompt, e.g. ' Mary'");
  list.add("wrong", options.wrong, "The wrong one, e.g. ' John'");
  list.add("prompts_file", options.file,
           "Pairs: .csv with the columns clean,corrupted,answer,wrong, .jsonl or .json with these fields")
      .reads_file();
  list_task_options(list, options.task);
  list.add("chat", options.prompt.chat, "Put the prompts into the model's chat template").says(OfPrompts::chat);
  list.add("no_bos", options.prompt.no_bos, "Add no BOS and no EOS").says(OfPrompts::no_bos);
}

Status check_pair_set(const PairSetOptions& options, bool need_corrupt) {
  const int sources = (options.clean.empty() ? 0 : 1) + (options.file.empty() ? 0 : 1) + (options.task.given() ? 1 : 0);
  if (sources == 0 && !options.corrupt.empty())
    return make_error(ErrorCode::invalid_argument, "the clean prompt is empty", {}, "--clean");
  if (sources == 0)
    return make_error(ErrorCode::invalid_argument,
                      "there are no prompts; give --clean and --corrupt, --prompts-file, --task or --ioi N", {},
                      "--clean");
  if (sources > 1)
    return make_error(ErrorCode::invalid_argument, "give one of --clean, --prompts-file, --task and --ioi", {},
                      "--clean");
  if (!options.clean.empty() && options.corrupt.empty() && need_corrupt)
    return make_error(ErrorCode::invalid_argument, "the corrupt prompt is empty", {}, "--corrupt");
  if (!options.file.empty()) HS_TRY(check_readable(options.file));
  return check_task(options.task);
}

Result<PairSet> make_pair_set(const Engine& engine, const PairSetOptions& options, const PairNeeds& needs) {
  if (options.task.given()) return task_pairs(engine, options);
  PairSet set;
  if (options.file.empty()) {
    HS_ASSIGN(PatchPair pair, pair_of(engine, {options.clean, options.answer, options.wrong, {}, options.corrupt},
                                      options, needs, set));
    set.pairs.push_back(std::move(pair));
    set.task = "one pair of prompts";
    return set;
  }
  HS_ASSIGN(const auto rows, read_prompt_file(options.file));
  for (const PromptRow& row : rows) {
    auto pair = pair_of(engine, row, options, needs, set);
    if (!pair.ok())
      return make_error(pair.error().code, pair.error().field + ": " + pair.error().message, options.file, row.place);
    set.pairs.push_back(std::move(*pair));
  }
  set.task = options.file.substr(options.file.find_last_of('/') + 1);
  return set;
}

TokenRows PairSet::clean_rows() const {
  TokenRows rows;
  for (const PatchPair& pair : pairs)
    rows.push_back(pair.clean);
  return rows;
}

store::Attributes option_attributes(const PairSetOptions& options) {
  return source_attributes(options.prompt, options.file, options.task, options.answer, options.wrong);
}

Status store_pairs(store::ResultWriter& writer, const Model& model, const PairSet& set) {
  if (!set.dropped.empty()) HS_TRY(writer.set_attributes("/prompts", {{"dropped", set.dropped}}));
  for (std::size_t i = 0; i < set.pairs.size(); ++i) {
    const PatchPair& pair = set.pairs[i];
    const std::string id = "pair-" + std::to_string(i);
    HS_TRY(writer.add_prompt(prompt_of(model, id + "-clean", pair.clean, pair.answers)));
    if (!pair.corrupt.empty()) HS_TRY(writer.add_prompt(prompt_of(model, id + "-corrupt", pair.corrupt, pair.answers)));
  }
  return {};
}

} // namespace headscope::methods
