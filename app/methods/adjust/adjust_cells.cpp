// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of `adjust`: a cell is one prompt, without adjustments, with them, and with them on random heads.
#include <limits>

#include "app/methods/adjust/adjust.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

class AdjustCells : public Cells {
public:
  explicit AdjustCells(const AdjustOptions& options) : options_(options) {}

  Status bind(const CellInput& input) override {
    engine_ = input.engine;
    name_ = input.name;
    adjustment_ = adjustment_of(options_);
    HS_ASSIGN(adjustments_, parse_adjustments(options_.steer, options_.scale, engine_->config()));
    HS_ASSIGN(prompts_, adjustment_prompts(*engine_->model().tokenizer, *input.task, adjustments_));
    for (std::size_t i = 0; i < prompts_.size(); ++i)
      ids_.push_back(input.label + "-" + std::to_string(i));
    return {};
  }
  std::int64_t count() const override { return static_cast<std::int64_t>(prompts_.size()); }

  Cost cost() const override {
    Cost cost;
    const double variants = 2.0 + static_cast<double>(adjustment_.seeds);
    for (const AdjustmentPrompt& prompt : prompts_) {
      cost.forwards += variants;
      cost.tokens += variants * static_cast<double>(prompt.tokens.size());
    }
    cost.most_tokens = static_cast<double>(tokens_per_run(adjustment_.tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Context& context) const override {
    HS_ASSIGN(const AdjustmentResult found, adjust_heads(*engine_, {prompts_[static_cast<std::size_t>(cell)]},
                                                         adjustments_, adjustment_, context.control()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return nlohmann::json{
        {"logit_diff", found.logit_diff}, {"accuracy", found.accuracy}, {"predicted", found.predicted}};
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    AdjustmentResult all;
    all.variants = adjustment_variants(adjustments_, adjustment_, engine_->config());
    all.n_prompts = count();
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
    return store_adjustment(writer, "/adjustment/" + name_, ids_, prompts_, all);
  }

private:
  const AdjustOptions& options_;
  AdjustmentOptions adjustment_;
  const Engine* engine_ = nullptr;
  std::string name_;
  std::vector<HeadAdjustment> adjustments_;
  std::vector<AdjustmentPrompt> prompts_;
  std::vector<std::string> ids_;
};

} // namespace

std::unique_ptr<Cells> make_adjust_cells(const AdjustOptions& options) {
  return std::make_unique<AdjustCells>(options);
}

} // namespace headscope::methods
