// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"
#include "core/analysis/attribution_patching.h"
#include "core/analysis/patching.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  OutputOptions output;
  std::string clean, corrupt, answer, wrong, site = "resid_pre", axes = "auto", metric = "logit_diff";
  PatchingOptions patching;
  bool estimate = false;
  std::int64_t check = 16;
};

// Exact, or estimated with some cells checked.
struct Patches {
  PatchingResult result;
  std::optional<AttributionPatching> estimate;
};

Result<PatchPair> pair_of(const Options& options, const Model& model) {
  PatchPair pair;
  HS_ASSIGN(pair.clean, encode_prompt(model, options.clean, {}));
  HS_ASSIGN(pair.corrupt, encode_prompt(model, options.corrupt, {}));
  for (const auto& [text, ids, field] : {std::tuple(&options.answer, &pair.answers.answer, "--answer"),
                                         {&options.wrong, &pair.answers.wrong, "--wrong"}}) {
    if (text->empty()) continue;
    const auto token = answer_token(*model.tokenizer, *text);
    if (!token.ok()) return make_error(token.error().code, token.error().message, {}, field);
    ids->push_back(*token);
  }
  return pair;
}

std::vector<std::string> axis_names(PatchAxes axes) {
  if (axes == PatchAxes::layer_position) return {"layer", "position"};
  if (axes == PatchAxes::layer_head) return {"layer", "head"};
  return {"layer", "position", "head"};
}

std::vector<std::int64_t> shape_of(const PatchingResult& result) {
  if (result.axes == PatchAxes::layer_position) return {result.n_layers, result.n_positions};
  if (result.axes == PatchAxes::layer_head) return {result.n_layers, result.n_heads};
  return {result.n_layers, result.n_positions, result.n_heads};
}

// [layer][position], [layer][head] or [layer][position][head].
nlohmann::json restored_json(const PatchingResult& result) {
  const std::vector<std::int64_t> shape = shape_of(result);
  const auto layers = static_cast<std::size_t>(result.n_layers);
  if (shape.size() == 2) return matrix(result.restored, layers, static_cast<std::size_t>(shape[1]));
  nlohmann::json out = nlohmann::json::array();
  const auto per_layer = static_cast<std::ptrdiff_t>(result.n_positions * result.n_heads);
  for (std::ptrdiff_t layer = 0; layer < static_cast<std::ptrdiff_t>(layers); ++layer) {
    const std::vector<double> part(result.restored.begin() + layer * per_layer,
                                   result.restored.begin() + (layer + 1) * per_layer);
    out.push_back(matrix(part, static_cast<std::size_t>(result.n_positions), static_cast<std::size_t>(result.n_heads)));
  }
  return out;
}

store::Table checked_table(const AttributionPatching& estimate) {
  std::vector<std::int64_t> layers, positions, heads, agrees;
  std::vector<double> estimated, exact;
  for (const CheckedCell& cell : estimate.checked) {
    layers.push_back(cell.layer);
    positions.push_back(cell.position);
    heads.push_back(cell.head);
    estimated.push_back(cell.estimated);
    exact.push_back(cell.exact);
    agrees.push_back(cell.agrees ? 1 : 0);
  }
  return {{{"layer", layers, "index", "layer"},
           {"position", positions, "index", "position on the axis of the array"},
           {"head", heads, "index", "head on the axis of the array"},
           {"estimated", estimated, "1", "restored, by attribution"},
           {"exact", exact, "1", "restored, by patching"},
           {"agrees", agrees, "1", "1: near enough"}},
          {}};
}

Status store_result(store::ResultWriter& writer, const Model& model, const PatchPair& pair,
                    const PatchingOptions& options, const Patches& patches) {
  const PatchingResult& result = patches.result;
  HS_TRY(writer.add_prompt(prompt_of(model, "clean", pair.clean)));
  HS_TRY(writer.add_prompt(prompt_of(model, "corrupt", pair.corrupt)));
  store::Patching patching;
  patching.spec.name = short_name(result.site);
  patching.spec.site = short_name(result.site);
  patching.spec.axes = axis_names(result.axes);
  patching.spec.shape = shape_of(result);
  patching.spec.metric = to_string(options.metric);
  patching.spec.clean = result.clean[0];
  patching.spec.corrupt = result.corrupt[0];
  patching.spec.attributes = {{"direction", std::string(options.noising ? "noising" : "denoising")},
                              {"estimated", patches.estimate.has_value()}};
  for (const std::int64_t id : pair.clean)
    patching.spec.clean_tokens.push_back(model.tokenizer->piece(id));
  for (const std::int64_t id : pair.corrupt)
    patching.spec.corrupt_tokens.push_back(model.tokenizer->piece(id));
  for (const double value : result.restored)
    patching.restored.push_back(static_cast<float>(value));
  HS_TRY(writer.add_patching(patching));
  if (!patches.estimate) return {};
  return writer.add_table("/patching/" + patching.spec.name + "/checked", checked_table(*patches.estimate));
}

void print_strongest(const PatchingResult& result, const PatchPair& pair, const Model& model) {
  std::printf("clean %s, corrupt %s\n", fixed(result.clean[0], 4).c_str(), fixed(result.corrupt[0], 4).c_str());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < result.restored.size(); ++i)
    if (std::isfinite(result.restored[i])) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return result.restored[a] > result.restored[b]; });
  std::vector<std::vector<std::string>> lines = {{"layer", "position", "head", "restored"}};
  const auto heads = static_cast<std::size_t>(result.n_heads), positions = static_cast<std::size_t>(result.n_positions);
  for (std::size_t i = 0; i < std::min<std::size_t>(15, order.size()); ++i) {
    const std::size_t head = order[i] % heads, position = order[i] / heads % positions,
                      layer = order[i] / heads / positions;
    const bool by_position = result.axes != PatchAxes::layer_head;
    lines.push_back(
        {std::to_string(layer),
         by_position ? std::to_string(position) + " |" + one_line(model.tokenizer->text(pair.clean[position])) + "|"
                     : "all",
         result.axes == PatchAxes::layer_position ? "all" : std::to_string(head), fixed(result.restored[order[i]], 4)});
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

Result<Patches> patch(const Engine& engine, const PatchPair& pair, const PatchingOptions& patching,
                      const Options& options, const Console& console) {
  if (!options.estimate) {
    HS_ASSIGN(PatchingResult result, patch_activations(engine, {pair}, patching, console.task()));
    return Patches{std::move(result), std::nullopt};
  }
  GuardOptions guard;
  guard.strongest = guard.random = options.check;
  HS_ASSIGN(AttributionPatching found, attribute_patches(engine, {pair}, patching, guard, console.task()));
  console.note("estimated from one gradient; of " + std::to_string(found.checked.size()) +
               " cells that were patched, " + std::to_string(found.disagreements()) + " disagree");
  return Patches{found.estimated, std::move(found)};
}

Status run(const Options& options, const Console& console) {
  for (const auto& [text, field] : {std::pair(&options.clean, "--clean"), {&options.corrupt, "--corrupt"}})
    if (text->empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty", {}, field);
  PatchingOptions patching = options.patching;
  const auto site = parse_hook_point(options.site);
  if (!site.ok()) return make_error(site.error().code, "'" + options.site + "' " + site.error().message, {}, "--site");
  patching.site = *site;
  if (options.axes != "auto") {
    HS_ASSIGN(patching.axes, parse_patch_axes(options.axes));
  }
  HS_ASSIGN(patching.metric, parse_metric(options.metric));
  HS_ASSIGN(auto writer, open_output(options.output, console));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const PatchPair pair, pair_of(options, *model));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const Patches patches, patch(engine, pair, patching, options, console));
  const PatchingResult& result = patches.result;
  finish_progress();
  if (writer) {
    HS_TRY(store_model(*writer, *model, options.model));
    HS_TRY(writer->set_options("patch", {{"site", options.site},
                                         {"axes", options.axes},
                                         {"metric", options.metric},
                                         {"noising", options.patching.noising},
                                         {"answer", options.answer},
                                         {"wrong", options.wrong},
                                         {"estimate", options.estimate},
                                         {"check", options.check},
                                         {"tokens_per_run", options.patching.tokens_per_run}}));
    HS_TRY(store_result(*writer, *model, pair, patching, patches));
  }
  if (console.json) {
    nlohmann::json json = {{"clean", number(result.clean[0])},
                           {"corrupt", number(result.corrupt[0])},
                           {"axes", axis_names(result.axes)},
                           {"restored", restored_json(result)},
                           {"complete", result.complete}};
    if (patches.estimate) json["checked"] = checked_json(*patches.estimate);
    if (patches.estimate) json["disagreements"] = patches.estimate->disagreements();
    console.print(json);
  } else
    print_strongest(result, pair, *model);
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
  command->add_option("--clean", options->clean, "The prompt that the answer belongs to")->required();
  command->add_option("--corrupt", options->corrupt, "A prompt of as many tokens to which it does not")->required();
  command->add_option("--answer", options->answer, "The right next token of the clean prompt");
  command->add_option("--wrong", options->wrong, "The wrong one");
  command
      ->add_option("--site", options->site,
                   "resid_pre, resid_mid, resid_post, attn_out, mlp_out, q, k, v, z, pattern, result, …")
      ->capture_default_str();
  command->add_option("--axes", options->axes, "auto, layer_position, layer_head or layer_position_head")
      ->capture_default_str();
  command->add_option("--metric", options->metric, "logit_diff, prob_diff, …")->capture_default_str();
  command->add_flag("--noising", options->patching.noising, "Put corrupt activations into the clean run instead");
  command->add_flag("--estimate", options->estimate,
                    "Estimate from one gradient (attribution patching), and patch some cells to compare");
  command->add_option("--check", options->check, "Of an estimate: cells to patch, the N strongest and N others")
      ->capture_default_str()
      ->check(at_least(0));
  command
      ->add_option("--tokens-per-run", options->patching.tokens_per_run, "How many tokens go through the model at once")
      ->capture_default_str()
      ->check(at_least(1));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
