// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "app/cli/heads.h"
#include "app/cli/mask_run.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/values.h"
#include "core/analysis/sink_calibration.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  MaskTaskOptions tasks;
  OutputOptions output;
  std::string theta = "0.1";
  SinkCalibrationOptions how;
};

Result<double> threshold(const std::string& text) {
  if (text == "5/T") return 0.0;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0.0))
    return make_error(ErrorCode::invalid_argument, "must be a positive number or 5/T, not '" + text + "'", {},
                      "--theta");
  return value;
}

nlohmann::json to_json(const SinkCalibration& found, const MaskSet& set) {
  nlohmann::json heads = nlohmann::json::array();
  for (const HeadId& head : found.chosen)
    heads.push_back(head_name(head));
  return {{"task", set.task},
          {"metric", set.metric},
          {"effects",
           matrix(found.effects, static_cast<std::size_t>(found.n_layers), static_cast<std::size_t>(found.n_heads))},
          {"heads", heads},
          {"clean", number(found.clean)},
          {"calibrated", number(found.calibrated)},
          {"complete", found.complete}};
}

Status store(store::ResultWriter& writer, const Options& options, const MaskSet& set, const SinkCalibration& found) {
  HS_TRY(writer.set_options("calibrate", {{"task", set.task},
                                          {"beta", options.how.beta},
                                          {"theta", options.theta},
                                          {"first_layer", std::int64_t{options.how.first_layer}},
                                          {"skip_last", std::int64_t{options.how.skip_last}},
                                          {"search", options.how.search},
                                          {"count", options.tasks.count},
                                          {"seed", static_cast<std::int64_t>(options.tasks.seed)}}));
  const std::string group = "/calibration/" + set.task;
  HS_TRY(writer.set_attributes(group, {{"metric", set.metric},
                                       {"clean", found.clean},
                                       {"calibrated", found.calibrated},
                                       {"clean_search", found.clean_search}}));
  store::ArraySpec spec;
  spec.dtype = store::DType::float64;
  spec.axes = {{"layer", {}}, {"head", {}}};
  spec.shape = {found.n_layers, found.n_heads};
  spec.units = set.units;
  spec.long_name = set.metric + " with the head's later sinks calibrated, minus without";
  HS_TRY(writer.add_array(group + "/effects", spec, std::span<const double>(found.effects)));
  std::vector<std::string> heads;
  for (const HeadId& head : found.chosen)
    heads.push_back(head_name(head));
  return writer.add_strings(group + "/heads", {"rank", {}}, heads, "heads that gain, strongest first");
}

Status run(Options options, const Console& console) {
  HS_ASSIGN(options.how.theta, threshold(options.theta));
  HS_ASSIGN(auto writer, open_output(options.output, console, {static_cast<std::int64_t>(options.tasks.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  const Engine engine(model);
  HS_ASSIGN(const auto sets, make_mask_sets(engine, options.tasks));
  if (sets.size() != 1 || sets[0].tasks[0].judge != MaskJudge::log_prob)
    return make_error(ErrorCode::invalid_argument, "must be one of repeated, ordinal, ioi and text", {}, "--task");
  HS_ASSIGN(const SinkCalibration found, calibrate_sinks(engine, sets[0].tasks, options.how, console.task()));
  finish_progress();
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    HS_TRY(store(*writer, options, sets[0], found));
  }
  if (console.json) {
    console.print(to_json(found, sets[0]));
  } else {
    std::printf("%s, on tasks that were held out: %s, with %zu heads calibrated %s\n", sets[0].metric.c_str(),
                fixed(found.clean, 4).c_str(), found.chosen.size(), fixed(found.calibrated, 4).c_str());
    for (std::size_t i = 0; i < std::min<std::size_t>(10, found.chosen.size()); ++i)
      std::printf("%s%s", i ? " " : "", head_name(found.chosen[i]).c_str());
    std::printf("\n");
  }
  return finish_output(writer, options.output, console, found.complete);
}

} // namespace

void add_calibrate(CLI::App& app, Commands& commands) {
  CLI::App* command =
      add_command(app, commands, "calibrate", "Find heads that gain when attention is taken off later sinks (ACT)",
                  "headscope calibrate --model smollm2 --task ioi");
  auto options = std::make_shared<Options>();
  options->tasks.names = "ioi";
  add_model_options(*command, options->model);
  command->add_option("--task", options->tasks.names, "repeated, ordinal, ioi or text")->capture_default_str();
  command->add_option("--count", options->tasks.count, "Generated tasks (default: 8 or 16)")->check(at_least(2));
  command->add_option("--haystack", options->tasks.haystack, "Text (default: generated from a seed)");
  command->add_option("--seed", options->tasks.seed, "Of the tasks")->capture_default_str()->check(at_least(0));
  command->add_option("--beta", options->how.beta, "Factor of the weights on sinks")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--theta", options->theta, "Sinks are keys with a_k above this: a number, or 5/T")
      ->capture_default_str();
  command->add_option("--first-layer", options->how.first_layer, "First layer that is searched")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--skip-last", options->how.skip_last, "Layers at the end that are not searched")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--search", options->how.search, "Share of the tasks that heads are chosen on")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
