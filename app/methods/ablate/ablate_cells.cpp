// SPDX-License-Identifier: GPL-3.0-or-later
// Head ablation. A cell is one layer of a few prompts; where other prompts give the replacement (mean, resample), it is
// one layer of all prompts.
#include <algorithm>
#include <limits>
#include <map>

#include "app/methods/ablate/ablate.h"
#include "core/prompts/tasks/task.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

class AblateCells : public Cells {
public:
  explicit AblateCells(const AblateOptions& options) : options_(options) {}

  Status bind(const CellInput& input) override {
    engine_ = input.engine;
    const ModelConfig& config = engine_->config();
    HS_ASSIGN(sweep_, sweep_of(options_, *engine_));
    HS_ASSIGN(const std::vector<HeadId> chosen, parse_heads(options_.heads, config.n_layers, config.n_heads));
    for (const HeadId& head : chosen)
      by_layer_[head.layer].push_back(head);
    for (const auto& [layer, some] : by_layer_)
      layers_.push_back(layer);
    task_.name = input.name;
    task_.prompts = input.task->prompts();
    for (std::size_t i = 0; i < task_.prompts.size(); ++i)
      task_.ids.push_back(input.label + "-" + std::to_string(i));
    const bool together = sweep_.method == AblationMethod::mean || sweep_.method == AblationMethod::resample;
    size_ = together ? prompt_count() : std::min(options_.prompts_per_cell, prompt_count());
    return {};
  }

  std::int64_t count() const override {
    return (prompt_count() + size_ - 1) / size_ * static_cast<std::int64_t>(layers_.size());
  }

  Cost cost() const override {
    Cost cost;
    const auto n_layers = static_cast<double>(engine_->config().n_layers);
    for (const AblationPrompt& prompt : task_.prompts)
      for (const auto& [layer, some] : by_layer_) {
        const double passes = static_cast<double>(some.size()) * (n_layers - layer) / n_layers + 2.0;
        cost.forwards += static_cast<double>(some.size()) + 2.0;
        cost.tokens += passes * static_cast<double>(prompt.tokens.size());
      }
    cost.most_tokens = static_cast<double>(tokens_per_run(sweep_.tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Context& context) const override {
    const auto [first, last, layer] = place(cell);
    HeadAblationOptions part = sweep_;
    part.heads = by_layer_.at(layer);
    const std::vector<AblationPrompt> prompts(task_.prompts.begin() + first, task_.prompts.begin() + last);
    HS_ASSIGN(const HeadAblationResult found, ablate_heads(*engine_, prompts, part, context.control()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    std::vector<double> effects;
    for (std::int64_t prompt = 0; prompt < found.n_prompts; ++prompt)
      for (std::int64_t head = 0; head < found.n_heads; ++head)
        effects.push_back(found.effect(prompt, layer, head));
    return nlohmann::json{{"clean", found.clean},
                          {"effects", std::move(effects)},
                          {"donors", found.donors},
                          {"replaced", found.replaced}};
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    HS_ASSIGN(auto rows, writer.begin_ablation(ablation_spec(*engine_, task_, sweep_)));
    const std::int64_t n_heads = engine_->config().n_heads;
    for (const auto& [cell, result] : done) {
      const auto [first, last, layer] = place(cell);
      const auto clean = result.at("clean").get<std::vector<double>>();
      const auto effects = result.at("effects").get<std::vector<double>>();
      for (std::int64_t prompt = first; prompt < last; ++prompt) {
        const auto at = static_cast<std::size_t>(prompt - first);
        HS_TRY(rows.write_clean(prompt, static_cast<float>(clean[at])));
        std::vector<float> row;
        for (std::int64_t head = 0; head < n_heads; ++head)
          row.push_back(
              static_cast<float>(effects[at * static_cast<std::size_t>(n_heads) + static_cast<std::size_t>(head)]));
        HS_TRY(rows.write_layers(prompt, layer, row));
      }
    }
    // Every cell of resampling has all prompts, so any cell knows all donors.
    if (sweep_.method != AblationMethod::resample || done.empty()) return {};
    const nlohmann::json& any = done.begin()->second;
    if (!any.contains("donors")) return {}; // of a journal of before version 0.2
    return store_donors(writer, task_, sweep_, any.at("donors"), any.at("replaced"));
  }

private:
  struct PromptsAtLayer {
    std::int64_t first = 0, last = 0; // prompts
    int layer = 0;
  };
  std::int64_t prompt_count() const { return static_cast<std::int64_t>(task_.prompts.size()); }
  PromptsAtLayer place(std::int64_t cell) const {
    const auto n = static_cast<std::int64_t>(layers_.size());
    const std::int64_t first = cell / n * size_;
    return {first, std::min(first + size_, prompt_count()), layers_[static_cast<std::size_t>(cell % n)]};
  }

  const AblateOptions& options_;
  HeadAblationOptions sweep_;
  const Engine* engine_ = nullptr;
  AblationTask task_;
  std::map<int, std::vector<HeadId>> by_layer_;
  std::vector<int> layers_;
  std::int64_t size_ = 1;
};

} // namespace

std::unique_ptr<Cells> make_ablate_cells(const AblateOptions& options) {
  return std::make_unique<AblateCells>(options);
}

} // namespace headscope::methods
