// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/prompt_set.h"
#include "app/cli/result_groups.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"
#include "core/analysis/direct_logit_attribution.h"
#include "core/analysis/sweep.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PromptSetOptions prompts;
  OutputOptions output;
  std::int64_t tokens_per_run = 0;
};

double mean(const std::vector<double>& values) {
  return mean_over_first_axis(values, static_cast<std::int64_t>(values.size()), 1).front();
}

nlohmann::json to_json(const DirectLogitAttribution& found) {
  const auto layers = static_cast<std::size_t>(found.n_layers), heads = static_cast<std::size_t>(found.n_heads);
  return {{"total", number(mean(found.total))},
          {"input", number(mean(found.input))},
          {"heads", matrix(found.mean_heads(), layers, heads)},
          {"mlps", matrix(found.mean_mlps(), 1, layers)[0]},
          {"attn_bias", matrix(mean_over_first_axis(found.attn_bias, found.n_prompts, found.n_layers), 1, layers)[0]},
          {"constant", number(mean(found.constant))}};
}

void print_text(const DirectLogitAttribution& found) {
  std::vector<std::pair<std::string, double>> parts = {{"input", mean(found.input)},
                                                       {"constant", mean(found.constant)}};
  const std::vector<double> heads = found.mean_heads(), mlps = found.mean_mlps();
  for (std::size_t i = 0; i < heads.size(); ++i)
    parts.emplace_back(std::to_string(i / static_cast<std::size_t>(found.n_heads)) + "." +
                           std::to_string(i % static_cast<std::size_t>(found.n_heads)),
                       heads[i]);
  for (std::size_t i = 0; i < mlps.size(); ++i)
    parts.emplace_back(std::string("m").append(std::to_string(i)), mlps[i]);
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return std::abs(a.second) > std::abs(b.second); });
  std::vector<std::vector<std::string>> lines = {{"part", "logits"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(20, parts.size()); ++i)
    lines.push_back({parts[i].first, value_text(parts[i].second)});
  std::printf("answer minus wrong answer: %s\n%s", value_text(mean(found.total)).c_str(), aligned(lines).c_str());
}

Status run(const Options& options, const Console& console) {
  HS_TRY(check_prompt_set(options.prompts));
  HS_ASSIGN(auto writer, open_output(options.output, console, {static_cast<std::int64_t>(options.prompts.task.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const AblationTask task, make_prompt_set(*model, options.prompts, true, false));
  note_dropped(task.dropped, console);
  std::vector<AttributionPrompt> prompts;
  for (const AblationPrompt& prompt : task.prompts)
    prompts.push_back({prompt.tokens, prompt.answers});
  HS_TRY(warn_unspaced(engine, task.rows(), task.unspaced, console));
  HS_ASSIGN(const DirectLogitAttribution found,
            attribute_logits(engine, prompts, console.task(), options.tokens_per_run));
  finish_progress();
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    store::Attributes used = option_attributes(options.prompts);
    used.push_back({"tokens_per_run", options.tokens_per_run});
    HS_TRY(writer->set_options("attribute", used));
    for (std::size_t i = 0; i < task.prompts.size(); ++i)
      HS_TRY(writer->add_prompt(prompt_of(*model, task.ids[i], task.prompts[i].tokens, task.prompts[i].answers)));
    HS_TRY(store_attribution(*writer, "/logit_attribution", task.ids, found));
  }
  if (console.json)
    console.print(to_json(found));
  else
    print_text(found);
  return finish_output(writer, options.output, console, true);
}

} // namespace

void add_attribute(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(
      app, commands, "attribute", "What each head and MLP adds to the answer's logit (direct logit attribution)",
      "headscope attribute --model smollm2 --prompt 'The capital of France is' --answer ' Paris' --wrong ' Rome'");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_prompt_set_options(*command, options->prompts);
  command
      ->add_option("--tokens-per-run", options->tokens_per_run,
                   "How many tokens go through the model at once; 0: what suits the device")
      ->capture_default_str()
      ->check(at_least(0));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
