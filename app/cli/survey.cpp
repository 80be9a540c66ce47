// SPDX-License-Identifier: GPL-3.0-or-later
// The main job in one file: detectors, the ablation of every head on indirect-object prompts, and the attention maps
// of the strongest heads.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/ablate_run.h"
#include "app/cli/attention_run.h"
#include "app/cli/command.h"
#include "app/cli/detect_run.h"
#include "app/cli/heads.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/values.h"
#include "core/analysis/ioi_task.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

// Minutes on a small model; all of them would take twice that.
constexpr const char* main_detectors = "induction,previous,duplicate,sink,successor,retrieval";

struct Options {
  ModelOptions model;
  DetectOptions detect;
  OutputOptions output;
  std::int64_t ioi = 8, maps = 12;
  std::uint64_t seed = 0;
};

Result<AblationTask> ioi_prompts(const Options& options, const Model& model, std::string& example) {
  IoiOptions ioi;
  ioi.count = options.ioi;
  ioi.seed = options.seed;
  HS_ASSIGN(const IoiTask made, make_ioi_task(*model.tokenizer, ioi));
  AblationTask task;
  task.name = "ioi_zero";
  task.prompts = ablation_prompts(made);
  for (std::size_t i = 0; i < task.prompts.size(); ++i)
    task.ids.push_back("ioi-" + std::to_string(i));
  example = made.cases.front().clean;
  return task;
}

std::vector<std::size_t> by_size(const std::vector<double>& values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::isfinite(values[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  return order;
}

// The strongest head of each detector in turn, then of the ablation, until there are enough.
std::vector<HeadId> heads_to_draw(const DetectorOutcomes& outcomes, const HeadAblationResult& ablation,
                                  std::size_t most) {
  std::vector<std::vector<std::size_t>> orders;
  for (const DetectorOutcome& outcome : outcomes.list) {
    if (!outcome.result) continue;
    std::vector<double> scores(outcome.result->scores.begin(), outcome.result->scores.end());
    for (double& score : scores)
      if (!(score > 0.0)) score = std::nan("");
    for (const DetectorResult::Unnamed& each : outcome.result->unnamed)
      scores[outcome.result->index(each.head.layer, each.head.head)] = std::nan("");
    orders.push_back(by_size(scores));
  }
  orders.push_back(by_size(ablation.mean_effects()));
  std::vector<HeadId> heads;
  for (std::size_t rank = 0; rank < 3 * most && heads.size() < most; ++rank)
    for (const auto& order : orders) {
      if (rank >= order.size() || heads.size() >= most) continue;
      const HeadId head{static_cast<int>(static_cast<std::int64_t>(order[rank]) / ablation.n_heads),
                        static_cast<std::int64_t>(order[rank]) % ablation.n_heads};
      if (std::find(heads.begin(), heads.end(), head) == heads.end()) heads.push_back(head);
    }
  return heads;
}

std::string strongest_effects(const HeadAblationResult& ablation, std::size_t most) {
  const std::vector<double> effects = ablation.mean_effects();
  const std::vector<std::size_t> order = by_size(effects);
  std::string text;
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i) {
    const auto heads = static_cast<std::size_t>(ablation.n_heads);
    text += (i ? "  " : "") + std::to_string(order[i] / heads) + "." + std::to_string(order[i] % heads) + " " +
            fixed(effects[order[i]], 3);
  }
  return text;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values)
    sum += value;
  return sum / static_cast<double>(values.size());
}

struct Survey {
  DetectorOutcomes detectors;
  std::optional<HeadAblationResult> ablation;
  std::size_t prompts = 0;
};

// False: cancelled; what was done until then is in the survey and the file.
Result<bool> work(const Options& options, const std::vector<DetectorPlan>& plan, const Engine& engine,
                  const Console& console, store::ResultWriter& writer, Survey& survey) {
  std::string example;
  HS_ASSIGN(const AblationTask task, ioi_prompts(options, engine.model(), example));
  survey.prompts = task.prompts.size();
  HS_ASSIGN(survey.detectors, run_detectors(plan, engine, options.detect.haystack, console, &writer));
  if (!survey.detectors.complete) return false;
  HS_ASSIGN(survey.ablation, run_ablation(engine, task, {}, console, &writer));
  if (!survey.ablation->complete) return false;
  AttentionTask maps;
  maps.prompt_id = "maps";
  maps.heads = heads_to_draw(survey.detectors, *survey.ablation, static_cast<std::size_t>(options.maps));
  HS_ASSIGN(maps.ids, encode_prompt(engine.model(), example + " " + example, {}));
  HS_ASSIGN(const StoredMaps stored, run_attention(engine, maps, console, writer));
  return stored.complete;
}

nlohmann::json to_json(const Survey& survey, const std::string& file, bool complete) {
  nlohmann::json json = to_json(survey.detectors);
  json["file"] = file;
  json["complete"] = complete;
  json["ablation"] = nullptr;
  if (survey.ablation)
    json["ablation"] = {
        {"clean", number(mean_of(survey.ablation->clean))},
        {"effects", matrix(survey.ablation->mean_effects(), static_cast<std::size_t>(survey.ablation->n_layers),
                           static_cast<std::size_t>(survey.ablation->n_heads))}};
  return json;
}

void print_text(const Survey& survey, const std::string& model) {
  std::printf("Strongest heads of %s\n%s", plain_text(model).c_str(), strongest_heads(survey.detectors, 6).c_str());
  if (survey.ablation)
    std::printf("Zero-ablation on %zu indirect-object prompts (logit difference %s): %s\n", survey.prompts,
                fixed(mean_of(survey.ablation->clean), 3).c_str(), strongest_effects(*survey.ablation, 6).c_str());
}

Status run(const Options& options, const Console& from) {
  HS_ASSIGN(const auto plan, plan_detectors(options.detect, from));
  Console console = from;
  console.steps = static_cast<int>(plan.size()) + 2; // the ablation and the maps
  std::vector<std::int64_t> seeds = seeds_of(plan);
  seeds.push_back(static_cast<std::int64_t>(options.seed));
  HS_ASSIGN(auto writer, open_output(options.output, console, seeds));
  HS_ASSIGN(const auto model, load(options.model, from, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_TRY(store_model(*writer, *model, options.model));
  HS_TRY(writer->set_options(
      "survey", {{"ioi", options.ioi}, {"maps", options.maps}, {"seed", static_cast<std::int64_t>(options.seed)}}));
  Survey survey;
  HS_ASSIGN(const bool complete, work(options, plan, engine, console, *writer, survey));
  finish_progress();
  if (from.json)
    from.print(to_json(survey, options.output.path, complete));
  else
    print_text(survey, model->identity.name);
  if (survey.detectors.refused) return *survey.detectors.refused;
  HS_TRY(finish_output(writer, options.output, console, complete));
  if (survey.detectors.failed) return *survey.detectors.failed;
  return {};
}

} // namespace

void add_survey(CLI::App& app, Commands& commands) {
  CLI::App* command =
      add_command(app, commands, "survey",
                  "Detect heads, ablate each on indirect-object prompts and store attention maps, in one file",
                  "headscope survey --model smollm2 --out survey.h5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  options->detect.detectors = main_detectors;
  add_detect_options(*command, options->detect);
  command->add_option("--ioi", options->ioi, "Indirect-object prompts")->capture_default_str()->check(at_least(1));
  command->add_option("--maps", options->maps, "Attention maps of this many heads")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_option("--seed", options->seed, "Of the prompts")->capture_default_str()->check(at_least(0));
  add_output_options(*command, options->output, true);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
