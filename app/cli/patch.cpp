// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/ablate_run.h"
#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/pair_set.h"
#include "app/cli/progress.h"
#include "app/cli/result_groups.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"
#include "core/analysis/attribution_patching.h"
#include "core/analysis/patching.h"
#include "core/analysis/sweep.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  OutputOptions output;
  PairSetOptions pairs;
  std::string site = "resid_pre", axes = "auto", metric = "logit_diff", average = "ratio_of_means";
  PatchingOptions patching;
  bool estimate = false;
  std::int64_t check = 16;
};

// [layer][position], [layer][head] or [layer][position][head].
nlohmann::json restored_json(const PatchingResult& result) {
  const std::vector<std::int64_t> shape = shape_of(result);
  const std::vector<double> restored = result.mean_restored();
  const auto layers = static_cast<std::size_t>(result.n_layers);
  if (shape.size() == 2) return matrix(restored, layers, static_cast<std::size_t>(shape[1]));
  nlohmann::json out = nlohmann::json::array();
  const auto per_layer = static_cast<std::ptrdiff_t>(result.n_positions * result.n_heads);
  for (std::ptrdiff_t layer = 0; layer < static_cast<std::ptrdiff_t>(layers); ++layer) {
    const std::vector<double> part(restored.begin() + layer * per_layer, restored.begin() + (layer + 1) * per_layer);
    out.push_back(matrix(part, static_cast<std::size_t>(result.n_positions), static_cast<std::size_t>(result.n_heads)));
  }
  return out;
}

Status store_prompts(store::ResultWriter& writer, const Model& model, const PairSet& set) {
  if (set.pairs.size() > 1) return store_pairs(writer, model, set);
  const PatchPair& pair = set.pairs.front();
  HS_TRY(writer.add_prompt(prompt_of(model, "clean", pair.clean, pair.answers)));
  return writer.add_prompt(prompt_of(model, "corrupt", pair.corrupt, pair.answers));
}

nlohmann::json pairs_json(const PatchingResult& result) {
  nlohmann::json pairs = nlohmann::json::array();
  for (std::size_t i = 0; i < result.clean.size(); ++i)
    pairs.push_back({{"clean", number(result.clean[i])}, {"corrupt", number(result.corrupt[i])}});
  return pairs;
}

void print_strongest(const Patches& patches, const std::vector<PatchPair>& pairs, const Model& model) {
  const PatchingResult& result = patches.result;
  std::printf("clean %s, corrupt %s\n", value_text(mean_over(result.clean)).c_str(),
              value_text(mean_over(result.corrupt)).c_str());
  const std::vector<double> restored = result.mean_restored();
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < restored.size(); ++i)
    if (std::isfinite(restored[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return restored[a] > restored[b]; });
  std::vector<std::vector<std::string>> lines = {
      {"layer", "position", "head", patches.estimate ? "restored (estimated)" : "restored"}};
  const auto heads = static_cast<std::size_t>(result.n_heads), positions = static_cast<std::size_t>(result.n_positions);
  for (std::size_t i = 0; i < std::min<std::size_t>(15, order.size()); ++i) {
    const std::size_t head = order[i] % heads, position = order[i] / heads % positions,
                      layer = order[i] / heads / positions;
    const bool by_position = result.axes != PatchAxes::layer_head;
    std::string place = std::to_string(position);
    if (pairs.size() == 1) place += " |" + one_line(model.tokenizer->text(pairs.front().clean[position])) + "|";
    lines.push_back({std::to_string(layer), by_position ? place : "all",
                     result.axes == PatchAxes::layer_position ? "all" : std::to_string(head),
                     value_text(restored[order[i]])});
  }
  std::printf("%s", aligned(lines).c_str());
}

nlohmann::json checked_json(const AttributionPatching& estimate) {
  nlohmann::json cells = nlohmann::json::array();
  for (const CheckedCell& cell : estimate.checked)
    cells.push_back({{"layer", cell.layer},
                     {"position", cell.position},
                     {"head", cell.head},
                     {"estimated", number(cell.estimated)},
                     {"exact", number(cell.exact)},
                     {"agrees", cell.agrees}});
  return cells;
}

Result<Patches> patch(const Engine& engine, const std::vector<PatchPair>& pairs, const PatchingOptions& patching,
                      const Options& options, const Console& console) {
  if (!options.estimate) {
    HS_ASSIGN(PatchingResult result, patch_activations(engine, pairs, patching, console.task()));
    return Patches{std::move(result), std::nullopt};
  }
  GuardOptions guard;
  guard.strongest = guard.random = options.check;
  HS_ASSIGN(AttributionPatching found, attribute_patches(engine, pairs, patching, guard, console.task()));
  console.warn("these are estimates from one gradient, not patches; of " + std::to_string(found.checked.size()) +
               " cells that were patched to compare, " + std::to_string(found.disagreements()) + " disagree");
  return Patches{found.estimated, std::move(found)};
}

Status run(const Options& options, const Console& console) {
  HS_TRY(check_pair_set(options.pairs, true));
  PatchingOptions patching = options.patching;
  const auto site = parse_hook_point(options.site);
  if (!site.ok()) return make_error(site.error().code, "'" + options.site + "' " + site.error().message, {}, "--site");
  patching.site = *site;
  if (options.axes != "auto") {
    HS_ASSIGN(patching.axes, parse_patch_axes(options.axes));
  }
  HS_ASSIGN(patching.metric, parse_metric(options.metric));
  HS_ASSIGN(patching.average, parse_patch_average(options.average));
  HS_ASSIGN(auto writer, open_output(options.output, console, {static_cast<std::int64_t>(options.pairs.task.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const PairSet set, make_pair_set(*model, options.pairs, {true, false, false}));
  note_dropped(set.dropped, console);
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_TRY(warn_unspaced(engine, set.clean_rows(), set.unspaced, console));
  HS_ASSIGN(const Patches patches, patch(engine, set.pairs, patching, options, console));
  const PatchingResult& result = patches.result;
  finish_progress();
  if (const std::string small = small_difference_note(result); !small.empty()) console.warn(small);
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    store::Attributes used = option_attributes(options.pairs);
    used.insert(used.end(), {{"site", options.site},
                             {"axes", options.axes},
                             {"metric", options.metric},
                             {"noising", options.patching.noising},
                             {"average", options.average},
                             {"estimate", options.estimate},
                             {"check", options.check},
                             {"tokens_per_run", options.patching.tokens_per_run}});
    HS_TRY(writer->set_options("patch", used));
    HS_TRY(store_prompts(*writer, *model, set));
    HS_TRY(store_patching(*writer, short_name(result.site), *model, set.pairs, set.task, patching, patches));
  }
  if (console.json) {
    nlohmann::json json = {{"clean", number(mean_over(result.clean))},
                           {"corrupt", number(mean_over(result.corrupt))},
                           {"axes", axis_names(result.axes)},
                           {"metric", options.metric},
                           {"units", units_of(patching.metric)},
                           {"average", options.average},
                           {"estimated", patches.estimate.has_value()},
                           {"restored", restored_json(result)},
                           {"pairs", pairs_json(result)},
                           {"complete", result.complete}};
    if (patches.estimate) json["checked"] = checked_json(*patches.estimate);
    if (patches.estimate) json["disagreements"] = patches.estimate->disagreements();
    console.print(json);
  } else
    print_strongest(patches, set.pairs, *model);
  return finish_output(writer, options.output, console, result.complete);
}

} // namespace

void add_patch(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(
      app, commands, "patch", "Put activations of one run into another (activation patching)",
      "headscope patch --model smollm2 --clean 'When Mary and John went to the store, John gave a drink to' "
      "--corrupt 'When Mary and John went to the store, Mary gave a drink to' --answer ' Mary' --wrong ' John' --site "
      "resid_pre");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_pair_set_options(*command, options->pairs);
  command->add_option("--site", options->site, "A hook point: " + block_point_names())->capture_default_str();
  command->add_option("--axes", options->axes, "auto, layer_position, layer_head or layer_position_head")
      ->capture_default_str();
  command->add_option("--metric", options->metric, metric_names())->capture_default_str();
  command
      ->add_option("--average", options->average,
                   "How pairs become one number: ratio_of_means, or mean_of_ratios (a pair whose clean and corrupt "
                   "metrics are near one another then weighs much)")
      ->capture_default_str();
  command->add_flag("--noising", options->patching.noising, "Put corrupt activations into the clean run instead");
  command->add_flag("--estimate", options->estimate,
                    "Estimate from one gradient (attribution patching), and patch some cells to compare");
  command->add_option("--check", options->check, "Of an estimate: cells to patch, the N strongest and N others")
      ->capture_default_str()
      ->check(at_least(0));
  command
      ->add_option("--tokens-per-run", options->patching.tokens_per_run,
                   "How many tokens go through the model at once; 0: what suits the device")
      ->capture_default_str()
      ->check(at_least(0));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
