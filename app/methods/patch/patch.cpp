// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/patch/patch.h"

#include <algorithm>

#include "app/methods/base/values.h"
#include "app/methods/inputs/prompt_set.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "app/methods/patch/patch_store.h"
#include "app/runs/result_parts.h"

namespace headscope::methods {
namespace {

// One number per cell: [layer][position], [layer][head] or [layer][position][head].
template <typename T> nlohmann::json cells_json(const PatchingResult& result, const std::vector<T>& cells) {
  const std::vector<std::int64_t> shape = shape_of(result);
  const auto layers = static_cast<std::size_t>(result.n_layers);
  if (shape.size() == 2) return matrix(cells, layers, static_cast<std::size_t>(shape[1]));
  nlohmann::json out = nlohmann::json::array();
  const auto per_layer = static_cast<std::ptrdiff_t>(result.n_positions * result.n_heads);
  for (std::ptrdiff_t layer = 0; layer < static_cast<std::ptrdiff_t>(layers); ++layer) {
    const std::vector<T> part(cells.begin() + layer * per_layer, cells.begin() + (layer + 1) * per_layer);
    out.push_back(matrix(part, static_cast<std::size_t>(result.n_positions), static_cast<std::size_t>(result.n_heads)));
  }
  return out;
}

// Stores the prompts; those of a single pair are called "clean" and "corrupt".
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

std::string strongest(const Patches& patches, const std::vector<PatchPair>& pairs, const Model& model) {
  const PatchingResult& result = patches.result;
  const std::vector<double> restored = result.mean_restored();
  const std::vector<std::size_t> order = strongest_first(restored, Rank::highest);
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
  return printed("clean %s, corrupt %s\n%s", value_text(mean_over(result.clean)).c_str(),
                 value_text(mean_over(result.corrupt)).c_str(), aligned(lines).c_str());
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

nlohmann::json to_json(const Patches& patches) {
  const PatchingResult& result = patches.result;
  nlohmann::json json = {{"clean", number(mean_over(result.clean))},
                         {"corrupt", number(mean_over(result.corrupt))},
                         {"axes", axis_names(result.axes)},
                         {"metric", to_string(result.metric)},
                         {"units", units_of(result.metric)},
                         {"average", to_string(result.average)},
                         {"estimated", patches.estimate.has_value()},
                         {"restored", cells_json(result, result.mean_restored())},
                         {"pairs", pairs_json(result)},
                         {"complete", result.complete}};
  if (const auto pairs = unequal_pairs_of_cell(result); !pairs.empty())
    json["pairs_of_cell"] = cells_json(result, pairs);
  if (patches.estimate) {
    json["checked"] = checked_json(*patches.estimate);
    json["disagreements"] = patches.estimate->disagreements();
  }
  return json;
}

// All points of a block.
std::vector<Choice> sites() {
  std::vector<Choice> choices;
  for (int i = 0; i < hook_point_count; ++i)
    if (const auto point = static_cast<HookPoint>(i); is_block_point(point)) choices.push_back({short_name(point), ""});
  return choices;
}

class Patch : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "patch",
        .summary = "Put activations of one run into another (activation patching)",
        .example = "headscope patch --model smollm2 --clean 'When Mary and John went to the store, John gave a drink "
                   "to' --corrupt 'When Mary and John went to the store, Mary gave a drink to' --answer ' Mary' "
                   "--wrong ' John' --site resid_pre"};
    return info;
  }

  void inputs(OptionList& list) override { list_pair_set_options(list, options_.pairs); }
  const TaskOptions* task() const override { return &options_.pairs.task; }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.pairs); }

  void options(OptionList& list) override {
    PatchingOptions& patching = options_.patching;
    list.add_choice("site", options_.site, sites(), "The hook point that is patched");
    list.add_choice("axes", patching.axes, "What one patch goes over");
    list.add_choice("metric", patching.metric, "What is measured at the last token");
    list.add_choice("average", patching.average, "How pairs become one number");
    list.add("noising", patching.noising, "Put corrupt activations into the clean run instead");
    list.add("estimate", options_.estimate,
             "Estimate from one gradient (attribution patching), and patch some cells to compare");
    list.add("check", options_.check, "Of an estimate: cells to patch, the N strongest and N others")
        .in("cell")
        .at_least(0);
    list_tokens_per_run(list, patching.tokens_per_run);
  }

  Status check_inputs() override { return check_pair_set(options_.pairs, true); }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.pairs.task.seed)}; }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(const PatchingOptions patching, patching_of(options_));
    HS_ASSIGN(const PairSet set, make_pair_set(work.engine, options_.pairs, {true, false, false}));
    note_dropped(set.dropped, work.context);
    HS_TRY(warn_unspaced(work.engine, set.clean_rows(), set.unspaced, work.context));
    HS_ASSIGN(const Patches patches, patch(work, set.pairs, patching));
    const PatchingResult& result = patches.result;
    for (const std::string& line :
         {small_difference_note(result), unequal_lengths_note(set.pairs, result.axes), small_cells_note(result)})
      if (!line.empty()) work.context.warn(line);
    if (work.writer) {
      HS_TRY(store_prompts(*work.writer, model, set));
      HS_TRY(store_patching(*work.writer, short_name(result.site), model, set.pairs, set.task, patching, patches));
    }
    return Report{to_json(patches), strongest(patches, set.pairs, model), result.complete};
  }

  std::unique_ptr<Cells> cells() override { return make_patch_cells(options_); }

private:
  Result<Patches> patch(const Work& work, const std::vector<PatchPair>& pairs, const PatchingOptions& patching) const {
    if (!options_.estimate) {
      HS_ASSIGN(PatchingResult result, patch_activations(work.engine, pairs, patching, work.context.control()));
      return Patches{std::move(result), std::nullopt};
    }
    HS_ASSIGN(AttributionPatching found,
              attribute_patches(work.engine, pairs, patching, guard_of(options_), work.context.control()));
    work.context.warn("these are estimates from one gradient, not patches; of " + std::to_string(found.checked.size()) +
                      " cells that were patched to compare, " + std::to_string(found.disagreements()) + " disagree");
    return Patches{found.estimated, std::move(found)};
  }

  PatchOptions options_;
};

} // namespace

Result<PatchingOptions> patching_of(const PatchOptions& options) {
  PatchingOptions patching = options.patching;
  const auto site = parse_hook_point(options.site);
  if (!site.ok()) return make_error(site.error().code, "'" + options.site + "' " + site.error().message, {}, "--site");
  patching.site = *site;
  return patching;
}

GuardOptions guard_of(const PatchOptions& options) {
  GuardOptions guard;
  guard.strongest = guard.random = options.check;
  return guard;
}

std::unique_ptr<Method> make_patch() { return std::make_unique<Patch>(); }

} // namespace headscope::methods
