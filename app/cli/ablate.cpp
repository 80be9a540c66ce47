// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/ablate_run.h"
#include "app/cli/command.h"
#include "app/cli/heads.h"
#include "app/cli/model_options.h"
#include "app/cli/prompt_set.h"
#include "app/cli/values.h"
#include "core/base/text_file.h"
#include "core/tasks/prompt_file.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptSetOptions prompts;
  OutputOptions output;
  std::string heads = "all", method = "zero", phase = "both", metric = "logit_diff";
  std::string reference_file;
  std::vector<std::string> reference;
  HeadAblationOptions sweep;
};

// What can be said without the model.
Result<HeadAblationOptions> sweep_options(const Options& options) {
  HeadAblationOptions sweep = options.sweep;
  HS_ASSIGN(sweep.method, parse_ablation_method(options.method));
  HS_ASSIGN(sweep.phase, parse_phase(options.phase));
  HS_ASSIGN(sweep.metric, parse_metric(options.metric));
  return sweep;
}

Status choose_heads_and_reference(const Options& options, const Model& model, HeadAblationOptions& sweep) {
  if (options.heads != "all") {
    HS_ASSIGN(sweep.heads, parse_heads(options.heads, model.config));
  }
  for (const std::string& text : options.reference) {
    if (text.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, "--reference");
    HS_ASSIGN(const auto ids, encode_prompt(model, text, options.prompts.prompt));
    sweep.reference.push_back(ids);
  }
  if (options.reference_file.empty()) return {};
  HS_ASSIGN(const auto rows, read_prompt_file(options.reference_file));
  for (const PromptRow& row : rows) {
    HS_ASSIGN(const auto ids, encode_prompt(model, row.prompt, options.prompts.prompt));
    sweep.reference.push_back(ids);
  }
  return {};
}

Status store_options(store::ResultWriter& writer, const Options& options) {
  store::Attributes used = option_attributes(options.prompts);
  used.push_back({"heads", options.heads});
  used.push_back({"method", options.method});
  used.push_back({"phase", options.phase});
  used.push_back({"metric", options.metric});
  used.push_back({"reference", options.reference});
  used.push_back({"reference_file", options.reference_file});
  used.push_back({"mean_by_position", options.sweep.mean_by_position});
  used.push_back({"seed", static_cast<std::int64_t>(options.sweep.seed)});
  used.push_back({"tokens_per_run", options.sweep.tokens_per_run});
  return writer.set_options("ablate", used);
}

// [layer][head] of one prompt.
nlohmann::json effects_json(const HeadAblationResult& result, std::int64_t prompt) {
  const auto begin = result.effects.begin() + static_cast<std::ptrdiff_t>(result.index(prompt, 0, 0));
  const std::vector<double> effects(begin, begin + static_cast<std::ptrdiff_t>(result.n_layers * result.n_heads));
  return matrix(effects, static_cast<std::size_t>(result.n_layers), static_cast<std::size_t>(result.n_heads));
}

nlohmann::json to_json(const HeadAblationResult& result, const AblationTask& task) {
  const auto layers = static_cast<std::size_t>(result.n_layers), heads = static_cast<std::size_t>(result.n_heads);
  nlohmann::json out = {{"clean", number(result.clean[0])}, {"complete", result.complete}};
  if (!result.replaced.empty()) out["replaced"] = result.replaced;
  if (result.n_prompts == 1) {
    out["effects"] = effects_json(result, 0);
    return out;
  }
  nlohmann::json prompts = nlohmann::json::array();
  double clean = 0.0;
  for (std::int64_t i = 0; i < result.n_prompts; ++i) {
    prompts.push_back({{"id", task.ids[static_cast<std::size_t>(i)]},
                       {"clean", number(result.clean[static_cast<std::size_t>(i)])},
                       {"effects", effects_json(result, i)}});
    clean += result.clean[static_cast<std::size_t>(i)] / static_cast<double>(result.n_prompts);
  }
  out["clean"] = number(clean);
  out["effects"] = matrix(result.mean_effects(), layers, heads);
  out["prompts"] = std::move(prompts);
  return out;
}

void print_strongest(const HeadAblationResult& result, const std::string& metric) {
  const std::vector<double> effects = result.mean_effects();
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < effects.size(); ++i)
    if (std::isfinite(effects[i])) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return std::abs(effects[a]) > std::abs(effects[b]); });
  std::vector<std::vector<std::string>> lines = {{"head", metric + " change"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(15, order.size()); ++i) {
    const auto heads = static_cast<std::size_t>(result.n_heads);
    lines.push_back(
        {std::to_string(order[i] / heads) + "." + std::to_string(order[i] % heads), value_text(effects[order[i]])});
  }
  double clean = 0.0;
  for (const double value : result.clean)
    clean += value / static_cast<double>(result.clean.size());
  std::printf("%s with nothing ablated: %s\n%s", metric.c_str(), value_text(clean).c_str(), aligned(lines).c_str());
}

Status run(const Options& options, const Console& console) {
  HS_TRY(check_prompt_set(options.prompts));
  if (!options.reference_file.empty()) HS_TRY(check_readable(options.reference_file));
  HS_ASSIGN(HeadAblationOptions sweep, sweep_options(options));
  HS_ASSIGN(auto writer, open_output(options.output, console,
                                     {static_cast<std::int64_t>(options.sweep.seed),
                                      static_cast<std::int64_t>(options.prompts.task.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_TRY(choose_heads_and_reference(options, *model, sweep));
  HS_ASSIGN(AblationTask task,
            make_prompt_set(*model, options.prompts, needs_answers(sweep.metric), needs_wrong(sweep.metric)));
  note_dropped(task.dropped, console);
  task.name = options.method;
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    HS_TRY(store_options(*writer, options));
  }
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_TRY(warn_unspaced(engine, task.rows(), task.unspaced, console));
  HS_ASSIGN(const HeadAblationResult result, run_ablation(engine, task, sweep, console, writer ? &*writer : nullptr));
  if (console.json)
    console.print(to_json(result, task));
  else
    print_strongest(result, options.metric);
  return finish_output(writer, options.output, console, result.complete);
}

} // namespace

void add_ablate(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(
      app, commands, "ablate", "Measure what taking out each head changes",
      "headscope ablate --model smollm2 --prompt 'When Mary and John went to the store, John gave a drink to' "
      "--answer ' Mary' --wrong ' John' --heads all --method zero");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_set_options(*command, options->prompts);
  command->add_option("--heads", options->heads, "all, heads (18.6,17.3 or 18.0-3), layers (18 or 10-12)")
      ->capture_default_str();
  command->add_option("--method", options->method, "zero, mean, resample or uniform (attention)")
      ->capture_default_str();
  command->add_option("--phase", options->phase, "prefill, decode (only at the last token) or both")
      ->capture_default_str();
  command->add_option("--metric", options->metric, metric_names())->capture_default_str();
  command
      ->add_option("--reference", options->reference,
                   "A prompt that mean and resample take activations from; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--reference-file", options->reference_file,
                      "A file of such prompts: .csv, .jsonl, or one a line");
  command->add_flag("--mean-by-position", options->sweep.mean_by_position, "One mean for each position");
  command->add_option("--seed", options->sweep.seed, "Of the choice of resampled prompts")
      ->capture_default_str()
      ->check(at_least(0));
  command
      ->add_option("--tokens-per-run", options->sweep.tokens_per_run,
                   "How many tokens go through the model at once; 0: what suits the device")
      ->capture_default_str()
      ->check(at_least(0));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
