// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "app/cli/adjust_run.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/result_output.h"
#include "app/cli/task_options.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  TaskOptions task;
  OutputOptions output;
  std::vector<std::string> steer, scale;
  std::string queries = "last";
  AdjustmentOptions adjustment;
};

std::vector<std::string> prompt_ids(std::size_t count) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i)
    ids.push_back("prompt-" + std::to_string(i));
  return ids;
}

Status store_run(store::ResultWriter& writer, const Options& options, const Model& model,
                 const std::vector<AdjustmentPrompt>& prompts, const AdjustmentResult& result) {
  HS_TRY(store_model(writer, model, options.model));
  store::Attributes used = option_attributes(options.task);
  used.insert(used.end(), {{"steer", options.steer},
                           {"scale", options.scale},
                           {"queries", options.queries},
                           {"seeds", options.adjustment.seeds},
                           {"seed", static_cast<std::int64_t>(options.adjustment.seed)}});
  HS_TRY(writer.set_options("adjust", used));
  const std::vector<std::string> ids = prompt_ids(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i)
    HS_TRY(writer.add_prompt(prompt_of(model, ids[i], prompts[i].tokens, prompts[i].answers)));
  return store_adjustment(writer, "/adjustment", ids, prompts, result);
}

// Errors of the parts of an adjustment are about options of the same names.
template <typename T> Result<T> at_option(Result<T> result) {
  if (result.ok()) return result;
  Error error = result.error();
  if (!error.field.empty() && error.field.rfind("--", 0) != 0) error.field = "--" + error.field;
  return error;
}

Status run(Options options, const Console& console) {
  if (!options.task.given())
    return make_error(ErrorCode::invalid_argument, "there are no prompts; give --task, e.g. colored_objects", {},
                      "--task");
  HS_TRY(check_task(options.task));
  HS_ASSIGN(options.adjustment.all_queries, at_option(parse_all_queries(options.queries)));
  HS_ASSIGN(auto writer, open_output(options.output, console,
                                     {static_cast<std::int64_t>(options.task.seed),
                                      static_cast<std::int64_t>(options.adjustment.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const auto adjustments, at_option(parse_adjustments(options.steer, options.scale, model->config)));
  HS_ASSIGN(const TaskSet task, make_task(*model->tokenizer, options.task.request()));
  note_dropped(dropped_lines(task), console);
  HS_ASSIGN(const auto prompts, at_option(adjustment_prompts(*model->tokenizer, task, adjustments)));
  HS_ASSIGN(const AdjustmentResult result,
            at_option(adjust_heads(engine, prompts, adjustments, options.adjustment, console.task())));
  finish_progress();
  if (writer) HS_TRY(store_run(*writer, options, *model, prompts, result));
  if (console.json)
    console.print(to_json(result));
  else
    std::printf("%s, %lld prompts\n%s", task.title().c_str(), static_cast<long long>(result.n_prompts),
                adjustment_table(result).c_str());
  return finish_output(writer, options.output, console, result.complete);
}

} // namespace

void add_adjust(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(
      app, commands, "adjust",
      "Steer the attention of heads, or scale what they write, and see what a task gains by it",
      "headscope adjust --model smollm2 --task colored_objects --steer 12.3,13.4=wrong --scale 19.1=0.5 --out a.h5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_task_options(*command, options->task);
  command
      ->add_option(
          "--steer", options->steer,
          "HEADS=TOKENS[@SHARE]: their attention goes to these tokens of each prompt, the same to each, or this "
          "share of it. TOKENS: wrong, answer, first, last; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--scale", options->scale, "HEADS=FACTOR: what they write times this; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--queries", options->queries, "Whose attention is steered: last (token) or all")
      ->capture_default_str();
  command->add_option("--seeds", options->adjustment.seeds, "Random heads of the same layers to compare with")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--seed", options->adjustment.seed, "Of these")->capture_default_str()->check(at_least(0));
  command
      ->add_option("--tokens-per-run", options->adjustment.tokens_per_run,
                   "How many tokens go through the model at once; 0: what suits the device")
      ->capture_default_str()
      ->check(at_least(0));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
