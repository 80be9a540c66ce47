// SPDX-License-Identifier: GPL-3.0-or-later
// Adjusted heads: a cell is one prompt, without adjustments, with them, and with them on random heads.
#include "app/cli/adjust_run.h"
#include "app/cli/experiment/step.h"
#include "core/analysis/sweep.h"

#include <limits>

namespace headscope::cli {
namespace {

class AdjustStep : public Step {
public:
  std::vector<std::string> steer, scale;
  AdjustmentOptions options;

  Status bind(const StepInput& input) override {
    engine_ = input.engine;
    HS_ASSIGN(adjustments_, parse_adjustments(steer, scale, engine_->config()));
    HS_ASSIGN(prompts_, adjustment_prompts(*engine_->model().tokenizer, *input.task, adjustments_));
    for (std::size_t i = 0; i < prompts_.size(); ++i)
      ids_.push_back(input.label + "-" + std::to_string(i));
    return {};
  }
  std::int64_t cells() const override { return static_cast<std::int64_t>(prompts_.size()); }

  StepCost cost() const override {
    StepCost cost;
    const double variants = 2.0 + static_cast<double>(options.seeds);
    for (const AdjustmentPrompt& prompt : prompts_) {
      cost.forwards += variants;
      cost.tokens += variants * static_cast<double>(prompt.tokens.size());
    }
    cost.most_tokens = static_cast<double>(tokens_per_run(options.tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Console& console) const override {
    HS_ASSIGN(const AdjustmentResult found, adjust_heads(*engine_, {prompts_[static_cast<std::size_t>(cell)]},
                                                         adjustments_, options, console.task()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return nlohmann::json{
        {"logit_diff", found.logit_diff}, {"accuracy", found.accuracy}, {"predicted", found.predicted}};
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    AdjustmentResult all;
    all.variants = adjustment_variants(adjustments_, options, engine_->config());
    all.n_prompts = cells();
    const std::size_t size = all.variants.size() * prompts_.size();
    all.logit_diff.assign(size, std::numeric_limits<double>::quiet_NaN());
    all.accuracy.assign(size, std::numeric_limits<double>::quiet_NaN());
    all.predicted.assign(size, -1);
    for (const auto& [cell, result] : done)
      for (std::size_t variant = 0; variant < all.variants.size(); ++variant) {
        const std::size_t at = all.index(variant, static_cast<std::size_t>(cell));
        const nlohmann::json& difference = result.at("logit_diff")[variant]; // NaN may come back as null
        if (difference.is_number()) all.logit_diff[at] = difference.get<double>();
        all.accuracy[at] = result.at("accuracy")[variant].get<double>();
        all.predicted[at] = result.at("predicted")[variant].get<std::int64_t>();
      }
    return store_adjustment(writer, "/adjustment/" + name, ids_, prompts_, all);
  }

private:
  const Engine* engine_ = nullptr;
  std::vector<HeadAdjustment> adjustments_;
  std::vector<AdjustmentPrompt> prompts_;
  std::vector<std::string> ids_;
};

} // namespace

Result<std::unique_ptr<Step>> read_adjust_step(TomlTable& table) {
  auto step = std::make_unique<AdjustStep>();
  table.read("steer", step->steer);
  table.read("scale", step->scale);
  read_parsed(table, "queries", step->options.all_queries, parse_all_queries);
  table.read("seeds", step->options.seeds);
  table.read("seed", step->options.seed);
  table.read("tokens_per_run", step->options.tokens_per_run);
  check_at_least(table, "seeds", step->options.seeds, 0);
  check_at_least(table, "tokens_per_run", step->options.tokens_per_run, 0);
  if (step->steer.empty() && step->scale.empty())
    return table.error_at("steer", ErrorCode::invalid_argument,
                          "is missing, and scale too; e.g. steer = [\"12.3=wrong\"]");
  return std::unique_ptr<Step>(std::move(step));
}

} // namespace headscope::cli
