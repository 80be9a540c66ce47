// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <sstream>

#include "app/cli/mask_run.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  DetectOptions detect;
  MaskTaskOptions tasks;
  OutputOptions output;
  std::string heads = "detector", detector = "retrieval", methods = "uniform", phase = "auto";
  std::vector<std::int64_t> counts;
  MaskingOptions masking;
};

// 1, 2, 5, 10, 20, 50 heads as far as a quarter of the model's goes, so that there are others to compare with.
std::vector<std::int64_t> usual_counts(const ModelConfig& config, std::size_t ranked) {
  const std::int64_t most = std::min(config.n_layers * config.n_heads / 4, static_cast<std::int64_t>(ranked));
  std::vector<std::int64_t> counts;
  for (const std::int64_t count : {1, 2, 5, 10, 20, 50})
    if (count <= most) counts.push_back(count);
  if (counts.empty()) counts.push_back(1);
  return counts;
}

Result<std::vector<MaskMethod>> parse_methods(const std::string& text) {
  std::vector<MaskMethod> methods;
  std::istringstream names(text);
  for (std::string name; std::getline(names, name, ',');) {
    HS_ASSIGN(const MaskMethod method, parse_mask_method(name));
    methods.push_back(method);
  }
  if (methods.empty()) return make_error(ErrorCode::invalid_argument, "names no method", {}, "--method");
  return methods;
}

Status store_options(store::ResultWriter& writer, const Options& options, const MaskingOptions& masking) {
  return writer.set_options("mask", {{"heads", options.heads},
                                     {"detector", options.detector},
                                     {"task", options.tasks.names},
                                     {"method", options.methods},
                                     {"phase", options.phase},
                                     {"counts", masking.counts},
                                     {"seeds", masking.seeds},
                                     {"exclude", masking.excluded},
                                     {"new_tokens", masking.new_tokens},
                                     {"count", options.tasks.count},
                                     {"length_min", options.tasks.needle.length_min},
                                     {"length_max", options.tasks.needle.length_max},
                                     {"lengths", options.tasks.needle.lengths},
                                     {"depths", options.tasks.needle.depths},
                                     {"reserve", options.tasks.needle.reserve},
                                     {"chat", options.tasks.chat},
                                     {"haystack", options.detect.haystack},
                                     {"seed", static_cast<std::int64_t>(masking.seed)}});
}

Result<bool> mask_all(const Options& options, const std::vector<MaskMethod>& methods, const Engine& engine,
                      const HeadRanking& ranking, const std::vector<MaskSet>& sets, MaskingOptions masking,
                      const Console& console, store::ResultWriter* writer, nlohmann::json& out) {
  for (const MaskSet& set : sets)
    for (const MaskMethod method : methods) {
      masking.method = method;
      masking.phase = set.phase;
      if (options.phase != "auto") {
        HS_ASSIGN(masking.phase, parse_phase(options.phase));
      }
      console.begin_step();
      HS_ASSIGN(MaskingResult result, run_masking(engine, set.tasks, ranking.heads, masking, console.task()));
      finish_progress();
      const std::string how = to_string(method), phase = to_string(masking.phase);
      const NamedMasking named{set.task + "_" + how + "_" + phase,
                               set.task,
                               set.metric,
                               set.units,
                               how,
                               phase,
                               ranking.from,
                               std::move(result)};
      if (writer) HS_TRY(store_masking(*writer, named, set.tasks));
      out.push_back(to_json(named));
      if (!console.json) std::printf("%s", masking_table(named).c_str());
      if (!named.result.complete) return false;
    }
  return true;
}

Status run(Options options, const Console& from) {
  HS_ASSIGN(const auto methods, parse_methods(options.methods));
  if (options.phase != "auto") HS_TRY(parse_phase(options.phase));
  options.tasks.haystack = options.detect.haystack;
  options.tasks.seed = options.masking.seed;
  HS_ASSIGN(auto writer, open_output(options.output, from, {static_cast<std::int64_t>(options.masking.seed)}));
  HS_ASSIGN(const auto model, load(options.model, from, true));
  if (writer) HS_TRY(store_model(*writer, *model, options.model));
  const Engine engine(model);
  HS_ASSIGN(const auto sets, make_mask_sets(engine, options.tasks));
  store::ResultWriter* const file = writer ? &*writer : nullptr;
  Console console = from;
  console.steps = static_cast<int>(sets.size() * methods.size()) + (options.heads == "detector" ? 1 : 0);
  HS_ASSIGN(const HeadRanking ranking,
            rank_heads(options.heads, options.detector, options.detect, engine, console, file));
  if (ranking.heads.empty())
    return make_error(ErrorCode::unsupported, "the detector gave no head a score", {}, "--heads " + options.heads);
  MaskingOptions masking = options.masking;
  masking.counts = options.counts.empty() ? usual_counts(model->config, ranking.heads.size()) : options.counts;
  if (masking.excluded < 0) masking.excluded = usual_exclusion(model->config);
  if (writer) HS_TRY(store_options(*writer, options, masking));
  nlohmann::json maskings = nlohmann::json::array();
  HS_ASSIGN(const bool complete, mask_all(options, methods, engine, ranking, sets, masking, console, file, maskings));
  if (from.json) from.print({{"maskings", maskings}, {"complete", complete}});
  return finish_output(writer, options.output, from, complete);
}

void add_task_options(CLI::App& command, Options& options) {
  command
      .add_option("--task", options.tasks.names,
                  "needle, repeated (tokens), ordinal (lists), ioi, text, cot; comma-separated")
      ->capture_default_str();
  command.add_option("--count", options.tasks.count, "Generated tasks of a kind (default: 8 to 20)")
      ->check(at_least(1));
  NeedleTaskOptions& needle = options.tasks.needle;
  command.add_option("--length-min", needle.length_min, "Shortest needle prompt in tokens")
      ->capture_default_str()
      ->check(at_least(1));
  command.add_option("--length-max", needle.length_max, "Longest")->capture_default_str()->check(at_least(1));
  command.add_option("--lengths", needle.lengths, "Lengths between them")->capture_default_str()->check(at_least(1));
  command.add_option("--depths", needle.depths, "Depths of the needle")->capture_default_str()->check(at_least(1));
  command.add_option("--chat", options.tasks.chat, "Ask needle questions in the chat template: auto, on, off")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "on", "off"}));
  command.add_option("--new-tokens", options.masking.new_tokens, "Longest answer")
      ->capture_default_str()
      ->check(at_least(1));
}

void add_mask_options(CLI::App& command, Options& options) {
  command
      .add_option("--heads", options.heads,
                  "detector (run it now), a result file with its scores, or a list, strongest first (18.6,17.3)")
      ->capture_default_str();
  command.add_option("--detector", options.detector, "Whose scores rank the heads")->capture_default_str();
  command.add_option("--set", options.detect.set, "An option of the detector: NAME.OPTION=VALUE; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--haystack", options.detect.haystack, "A text file or folder (default: generated from a seed)");
  command.add_option("--method", options.methods, "uniform (attention), zero, mean, needle (-inf); comma-separated")
      ->capture_default_str();
  command
      .add_option("--phase", options.phase,
                  "prefill, decode, both, or auto: decode where answers are generated, else both")
      ->capture_default_str();
  command.add_option("--counts", options.counts, "How many heads to mask (default: 1,2,5,10,20,50, at most a quarter)")
      ->delimiter(',');
  command.add_option("--seeds", options.masking.seeds, "Random controls for each count")
      ->capture_default_str()
      ->check(at_least(1));
  command
      .add_option("--exclude", options.masking.excluded,
                  "So many of the strongest are in no control (default: 100, at most the top tenth)")
      ->check(at_least(0));
  command.add_option("--seed", options.masking.seed, "Of controls and tasks")
      ->capture_default_str()
      ->check(at_least(0));
  command
      .add_option("--tokens-per-run", options.masking.tokens_per_run,
                  "How many tokens go through the model at once; 0: what suits the device")
      ->capture_default_str()
      ->check(at_least(0));
}

} // namespace

void add_mask(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(
      app, commands, "mask", "Take the strongest heads out and see what a task loses, against random heads",
      "headscope mask --model smollm2 --heads detector --detector retrieval --method uniform --out mask.h5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_mask_options(*command, *options);
  add_task_options(*command, *options);
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
