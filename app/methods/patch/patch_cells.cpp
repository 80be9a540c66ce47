// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of activation patching: a cell is one layer of one pair. Attribution patching (`estimate = true`): a cell
// is one pair.
#include "app/methods/patch/patch.h"
#include "app/methods/patch/patch_store.h"
#include "core/prompts/tasks/task.h"
#include "core/sweeps/patch_plan.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

class PatchCells : public Cells {
public:
  explicit PatchCells(const PatchOptions& options) : options_(options) {}

  Status bind(const CellInput& input) override {
    HS_ASSIGN(patching_, patching_of(options_));
    engine_ = input.engine;
    name_ = input.name;
    pairs_ = input.task->pairs();
    title_ = input.task->title();
    HS_ASSIGN(const PatchPlan plan, plan_patching(*engine_, pairs_, patching_));
    layers_ = plan.layers;
    blank_ = empty_result(*engine_, plan);
    for (const PatchPair& pair : pairs_)
      cells_a_layer_.push_back(static_cast<double>(plan.cells(static_cast<std::int64_t>(pair.clean.size())).size()));
    return {};
  }

  std::int64_t count() const override {
    return static_cast<std::int64_t>(options_.estimate ? pairs_.size() : pairs_.size() * layers_.size());
  }

  Cost cost() const override {
    Cost cost;
    const auto n_layers = static_cast<double>(engine_->config().n_layers);
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const auto length = static_cast<double>(pairs_[i].clean.size());
      if (options_.estimate) {
        cost.forwards += 4.0 + 2.0 * static_cast<double>(options_.check);
        cost.tokens += length * (5.0 + static_cast<double>(options_.check));
        continue;
      }
      for (const int layer : layers_) {
        cost.forwards += cells_a_layer_[i] + 4.0;
        cost.tokens += length * (cells_a_layer_[i] * (n_layers - layer) / n_layers + 3.0);
      }
    }
    cost.most_tokens = static_cast<double>(tokens_per_run(patching_.tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Context& context) const override {
    return options_.estimate ? run_estimate(cell, context) : run_exact(cell, context);
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    Patches patches{blank_, std::nullopt};
    if (options_.estimate) patches.estimate.emplace();
    for (const auto& [cell, result] : done) {
      const std::int64_t pair = options_.estimate ? cell : cell / static_cast<std::int64_t>(layers_.size());
      patches.result.clean[static_cast<std::size_t>(pair)] = result.at("clean");
      patches.result.corrupt[static_cast<std::size_t>(pair)] = result.at("corrupt");
      const auto values = result.at("patched").get<std::vector<double>>();
      for (std::size_t i = 0; i < layers_.size(); ++i)
        if (options_.estimate)
          place(values, i, pair, layers_[i], patches.result);
        else if (cell % static_cast<std::int64_t>(layers_.size()) == static_cast<std::int64_t>(i))
          place(values, 0, pair, layers_[i], patches.result);
      if (options_.estimate) take_checked(result.at("checked"), pair, *patches.estimate);
    }
    if (const Status differs = check_difference(patches.result); !differs.ok() && done.size() == std::size_t(count()))
      return differs;
    return store_patching(writer, name_, engine_->model(), pairs_, title_, patching_, patches);
  }

private:
  Result<nlohmann::json> run_exact(std::int64_t cell, const Context& context) const {
    const auto n = static_cast<std::int64_t>(layers_.size());
    PatchingOptions part = patching_;
    part.layers = {layers_[static_cast<std::size_t>(cell % n)]};
    part.part_of_batch = true;
    HS_ASSIGN(const PatchingResult found,
              patch_activations(*engine_, {pairs_[static_cast<std::size_t>(cell / n)]}, part, context.control()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return payload(found, part.layers);
  }

  Result<nlohmann::json> run_estimate(std::int64_t cell, const Context& context) const {
    PatchingOptions part = patching_;
    part.part_of_batch = true;
    HS_ASSIGN(const AttributionPatching found, attribute_patches(*engine_, {pairs_[static_cast<std::size_t>(cell)]},
                                                                 part, guard_of(options_), context.control()));
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

  // A pair has its own number of positions, the result that of the longest pair.
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

  const PatchOptions& options_;
  PatchingOptions patching_;
  const Engine* engine_ = nullptr;
  std::vector<PatchPair> pairs_;
  std::string name_, title_;
  std::vector<int> layers_;
  std::vector<double> cells_a_layer_; // [pair]
  PatchingResult blank_;
};

} // namespace

std::unique_ptr<Cells> make_patch_cells(const PatchOptions& options) { return std::make_unique<PatchCells>(options); }

} // namespace headscope::methods
