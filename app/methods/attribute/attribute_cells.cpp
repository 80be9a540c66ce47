// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of direct logit attribution: a cell is one prompt.
#include <algorithm>
#include <limits>

#include "app/methods/attribute/attribute.h"
#include "app/methods/attribute/attribute_store.h"
#include "core/prompts/tasks/task.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

// Calls `use` for every array of a result, with how many numbers it has per prompt.
template <typename Found, typename Use>
void for_each_array(Found& found, std::int64_t layers, std::int64_t heads, Use use) {
  use("input", found.input, 1);
  use("heads", found.heads, layers * heads);
  use("attn_bias", found.attn_bias, layers);
  use("mlps", found.mlps, layers);
  use("constant", found.constant, 1);
  use("total", found.total, 1);
}

class AttributeCells : public Cells {
public:
  explicit AttributeCells(const AttributeOptions& options) : options_(options) {}

  Status bind(const CellInput& input) override {
    engine_ = input.engine;
    name_ = input.name;
    for (const AblationPrompt& prompt : input.task->prompts()) {
      ids_.push_back(input.label + "-" + std::to_string(ids_.size()));
      prompts_.push_back({prompt.tokens, prompt.answers});
    }
    return {};
  }
  std::int64_t count() const override { return static_cast<std::int64_t>(prompts_.size()); }

  Cost cost() const override {
    Cost cost;
    for (const AttributionPrompt& prompt : prompts_) {
      cost.forwards += 1.0;
      cost.tokens += static_cast<double>(prompt.tokens.size());
    }
    cost.most_tokens = static_cast<double>(tokens_per_run(options_.tokens_per_run, *engine_));
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Context& context) const override {
    HS_ASSIGN(const DirectLogitAttribution found, attribute_logits(*engine_, {prompts_[static_cast<std::size_t>(cell)]},
                                                                   context.control(), options_.tokens_per_run));
    nlohmann::json out;
    for_each_array(found, layers(), heads(),
                   [&](const char* key, const std::vector<double>& values, std::int64_t) { out[key] = values; });
    return out;
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    DirectLogitAttribution all;
    all.n_prompts = count();
    all.n_layers = layers();
    all.n_heads = heads();
    for_each_array(all, layers(), heads(), [&](const char* key, std::vector<double>& values, std::int64_t each) {
      values.assign(static_cast<std::size_t>(count() * each), std::numeric_limits<double>::quiet_NaN());
      for (const auto& [cell, result] : done) {
        const auto part = result.at(key).template get<std::vector<double>>();
        std::copy(part.begin(), part.end(), values.begin() + cell * each);
      }
    });
    return store_attribution(writer, "/logit_attribution/" + name_, ids_, all);
  }

private:
  std::int64_t layers() const { return engine_->config().n_layers; }
  std::int64_t heads() const { return engine_->config().n_heads; }

  const AttributeOptions& options_;
  const Engine* engine_ = nullptr;
  std::string name_;
  std::vector<AttributionPrompt> prompts_;
  std::vector<std::string> ids_;
};

} // namespace

std::unique_ptr<Cells> make_attribute_cells(const AttributeOptions& options) {
  return std::make_unique<AttributeCells>(options);
}

} // namespace headscope::methods
