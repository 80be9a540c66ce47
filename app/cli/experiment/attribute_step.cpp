// SPDX-License-Identifier: GPL-3.0-or-later
// Direct logit attribution: a cell is one prompt.
#include <limits>

#include "app/cli/experiment/step.h"
#include "app/cli/result_groups.h"
#include "core/analysis/sweep.h"

namespace headscope::cli {
namespace {

// Every array of a result, with the numbers it has a prompt.
template <typename Found, typename Use>
void for_each_array(Found& found, std::int64_t layers, std::int64_t heads, Use use) {
  use("input", found.input, 1);
  use("heads", found.heads, layers * heads);
  use("attn_bias", found.attn_bias, layers);
  use("mlps", found.mlps, layers);
  use("constant", found.constant, 1);
  use("total", found.total, 1);
}

class AttributeStep : public Step {
public:
  std::int64_t tokens_per_run = 0; // 0: what suits the device

  Status bind(const StepInput& input) override {
    engine_ = input.engine;
    for (const AblationPrompt& prompt : input.task->prompts()) {
      ids_.push_back(input.label + "-" + std::to_string(ids_.size()));
      prompts_.push_back({prompt.tokens, prompt.answers});
    }
    return {};
  }
  std::int64_t cells() const override { return static_cast<std::int64_t>(prompts_.size()); }

  StepCost cost() const override {
    StepCost cost;
    for (const AttributionPrompt& prompt : prompts_) {
      cost.forwards += 1.0;
      cost.tokens += static_cast<double>(prompt.tokens.size());
    }
    cost.most_tokens = static_cast<double>(headscope::tokens_per_run(tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Console& console) const override {
    HS_ASSIGN(const DirectLogitAttribution found,
              attribute_logits(*engine_, {prompts_[static_cast<std::size_t>(cell)]}, console.task(), tokens_per_run));
    nlohmann::json out;
    for_each_array(found, layers(), heads(),
                   [&](const char* key, const std::vector<double>& values, std::int64_t) { out[key] = values; });
    return out;
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    DirectLogitAttribution all;
    all.n_prompts = cells();
    all.n_layers = layers();
    all.n_heads = heads();
    for_each_array(all, layers(), heads(), [&](const char* key, std::vector<double>& values, std::int64_t each) {
      values.assign(static_cast<std::size_t>(cells() * each), std::numeric_limits<double>::quiet_NaN());
      for (const auto& [cell, result] : done) {
        const auto part = result.at(key).template get<std::vector<double>>();
        std::copy(part.begin(), part.end(), values.begin() + cell * each);
      }
    });
    return store_attribution(writer, "/logit_attribution/" + name, ids_, all);
  }

private:
  std::int64_t layers() const { return engine_->config().n_layers; }
  std::int64_t heads() const { return engine_->config().n_heads; }

  const Engine* engine_ = nullptr;
  std::vector<AttributionPrompt> prompts_;
  std::vector<std::string> ids_;
};

} // namespace

Result<std::unique_ptr<Step>> read_attribute_step(TomlTable& table) {
  auto step = std::make_unique<AttributeStep>();
  table.read("tokens_per_run", step->tokens_per_run);
  check_at_least(table, "tokens_per_run", step->tokens_per_run, 0);
  return std::unique_ptr<Step>(std::move(step));
}

} // namespace headscope::cli
