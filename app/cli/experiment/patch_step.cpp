// SPDX-License-Identifier: GPL-3.0-or-later
// Activation patching: a cell is one layer of one pair. Attribution patching (`estimate = true`): a cell is one pair.
#include "app/cli/experiment/step.h"
#include "app/cli/result_groups.h"
#include "core/analysis/patch_plan.h"

namespace headscope::cli {
namespace {

class PatchStep : public Step {
public:
  PatchingOptions options;
  bool estimate = false;
  std::int64_t check = 16;

  Status bind(const StepInput& input) override {
    engine_ = input.engine;
    pairs_ = input.task->pairs();
    title_ = input.task->title();
    HS_ASSIGN(const PatchPlan plan, plan_patching(*engine_, pairs_, options));
    layers_ = plan.layers;
    blank_ = empty_result(*engine_, plan);
    for (const PatchPair& pair : pairs_)
      cells_a_layer_.push_back(static_cast<double>(plan.cells(static_cast<std::int64_t>(pair.clean.size())).size()));
    return {};
  }

  std::int64_t cells() const override {
    return static_cast<std::int64_t>(estimate ? pairs_.size() : pairs_.size() * layers_.size());
  }

  StepCost cost() const override {
    StepCost cost;
    const auto n_layers = static_cast<double>(engine_->config().n_layers);
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto length = static_cast<double>(pairs_[i].clean.size());
      if (estimate) {
        cost.forwards += 4.0 + 2.0 * static_cast<double>(check);
        cost.tokens += length * (5.0 + static_cast<double>(check));
        continue;
      }
      for (const int layer : layers_) {
        cost.forwards += cells_a_layer_[i] + 4.0;
        cost.tokens += length * (cells_a_layer_[i] * (n_layers - layer) / n_layers + 3.0);
      }
    }
    cost.most_tokens = static_cast<double>(tokens_per_run(options.tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Console& console) const override {
    return estimate ? run_estimate(cell, console) : run_exact(cell, console);
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    Patches patches{blank_, std::nullopt};
    if (estimate) patches.estimate.emplace();
    for (const auto& [cell, result] : done) {
      const std::int64_t pair = estimate ? cell : cell / static_cast<std::int64_t>(layers_.size());
      patches.result.clean[static_cast<std::size_t>(pair)] = result.at("clean");
      patches.result.corrupt[static_cast<std::size_t>(pair)] = result.at("corrupt");
      const auto values = result.at("patched").get<std::vector<double>>();
      for (std::size_t i = 0; i < layers_.size(); ++i)
        if (estimate)
          place(values, i, pair, layers_[i], patches.result);
        else if (cell % static_cast<std::int64_t>(layers_.size()) == static_cast<std::int64_t>(i))
          place(values, 0, pair, layers_[i], patches.result);
      if (estimate) take_checked(result.at("checked"), pair, *patches.estimate);
    }
    if (const Status differs = check_difference(patches.result); !differs.ok() && done.size() == std::size_t(cells()))
      return differs;
    return store_patching(writer, name, engine_->model(), pairs_, title_, options, patches);
  }

private:
  Result<nlohmann::json> run_exact(std::int64_t cell, const Console& console) const {
    const auto n = static_cast<std::int64_t>(layers_.size());
    PatchingOptions part = options;
    part.layers = {layers_[static_cast<std::size_t>(cell % n)]};
    part.part_of_batch = true;
    HS_ASSIGN(const PatchingResult found,
              patch_activations(*engine_, {pairs_[static_cast<std::size_t>(cell / n)]}, part, console.task()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return payload(found, part.layers);
  }

  Result<nlohmann::json> run_estimate(std::int64_t cell, const Console& console) const {
    GuardOptions guard;
    guard.strongest = guard.random = check;
    PatchingOptions part = options;
    part.part_of_batch = true;
    HS_ASSIGN(const AttributionPatching found,
              attribute_patches(*engine_, {pairs_[static_cast<std::size_t>(cell)]}, part, guard, console.task()));
    if (!found.estimated.complete) return make_error(ErrorCode::cancelled, "interrupted");
    nlohmann::json out = payload(found.estimated, layers_);
    out["checked"] = nlohmann::json::array();
    for (const CheckedCell& each : found.checked)
      out["checked"].push_back({each.layer, each.position, each.head, each.estimated, each.exact, each.agrees});
    return out;
  }

  static nlohmann::json payload(const PatchingResult& found, const std::vector<int>& layers) {
    std::vector<double> values;
    for (const int layer : layers)
      values.insert(values.end(), found.patched.begin() + static_cast<std::ptrdiff_t>(found.index(0, layer, 0, 0)),
                    found.patched.begin() + static_cast<std::ptrdiff_t>(found.index(0, layer + 1, 0, 0)));
    return {{"clean", found.clean[0]}, {"corrupt", found.corrupt[0]}, {"patched", std::move(values)}};
  }

  // A pair alone has its own number of positions; the result that of the longest.
  void place(const std::vector<double>& values, std::size_t row, std::int64_t pair, int layer,
             PatchingResult& into) const {
    const bool by_position = into.axes != PatchAxes::layer_head;
    const std::int64_t positions =
        by_position ? static_cast<std::int64_t>(pairs_[static_cast<std::size_t>(pair)].clean.size()) : 1;
    const std::size_t begin = row * static_cast<std::size_t>(positions * into.n_heads);
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t h = 0; h < into.n_heads; ++h)
        keep_patched(into, pair, layer, {{}, std::nullopt, p, h},
                     values[begin + static_cast<std::size_t>(p * into.n_heads + h)]);
  }

  static void take_checked(const nlohmann::json& list, std::int64_t pair, AttributionPatching& into) {
    for (const auto& c : list)
      into.checked.push_back({pair, c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5)});
  }

  const Engine* engine_ = nullptr;
  std::vector<PatchPair> pairs_;
  std::string title_;
  std::vector<int> layers_;
  std::vector<double> cells_a_layer_; // [pair]
  PatchingResult blank_;
};

} // namespace

Result<std::unique_ptr<Step>> read_patch_step(TomlTable& table) {
  auto step = std::make_unique<PatchStep>();
  read_parsed(table, "site", step->options.site, parse_hook_point);
  read_parsed(table, "axes", step->options.axes, parse_patch_axes);
  read_parsed(table, "metric", step->options.metric, parse_metric);
  read_parsed(table, "average", step->options.average, parse_patch_average);
  table.read("noising", step->options.noising);
  table.read("estimate", step->estimate);
  table.read("check", step->check);
  table.read("tokens_per_run", step->options.tokens_per_run);
  check_at_least(table, "check", step->check, 0);
  check_at_least(table, "tokens_per_run", step->options.tokens_per_run, 0);
  return std::unique_ptr<Step>(std::move(step));
}

} // namespace headscope::cli
