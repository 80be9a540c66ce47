// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of path patching: a cell is one pair, with all senders.
#include <algorithm>
#include <limits>

#include "app/methods/paths/paths.h"
#include "app/methods/paths/paths_store.h"
#include "core/prompts/tasks/task.h"

namespace headscope::methods {
namespace {

class PathsCells : public Cells {
public:
  explicit PathsCells(const PathsOptions& options) : options_(options) {}

  Status bind(const CellInput& input) override {
    engine_ = input.engine;
    name_ = input.name;
    pairs_ = input.task->pairs();
    graph_ = std::make_unique<ComputationalGraph>(graph_shape(engine_->config()));
    HS_ASSIGN(paths_, paths_of(options_, *graph_));
    if (!paths_.senders.empty()) return {};
    int reach = 0;
    for (const int receiver : paths_.receivers)
      reach = std::max(reach, graph_->receivers()[static_cast<std::size_t>(receiver)].reads);
    for (int s = 0; s < reach; ++s)
      if (graph_->senders()[static_cast<std::size_t>(s)].kind == SenderKind::head) paths_.senders.push_back(s);
    return {};
  }
  std::int64_t count() const override { return static_cast<std::int64_t>(pairs_.size()); }

  Cost cost() const override {
    Cost cost;
    const auto senders_count = static_cast<double>(paths_.senders.size());
    for (const PatchPair& pair : pairs_) {
      cost.forwards += senders_count + 2.0;
      cost.tokens += static_cast<double>(pair.clean.size()) * (senders_count + 2.0);
    }
    cost.most_tokens = 4096;
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Context& context) const override {
    const CircuitTask one = task_of(options_, {pairs_[static_cast<std::size_t>(cell)]});
    HS_ASSIGN(const PathEffects found, patch_paths(*engine_, *graph_, one, paths_, context.control()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return nlohmann::json{{"clean", found.clean[0]}, {"effects", found.effects}};
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    PathEffects all;
    all.senders = paths_.senders;
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    all.clean.assign(pairs_.size(), nan);
    all.effects.assign(pairs_.size() * all.senders.size(), nan);
    for (const auto& [cell, result] : done) {
      const auto pair = static_cast<std::size_t>(cell);
      all.clean[pair] = result.at("clean");
      for (std::size_t s = 0; s < all.senders.size(); ++s)
        all.effects[s * pairs_.size() + pair] = result.at("effects").at(s);
    }
    return store_paths(writer, "/paths/" + name_,
                       {to_string(options_.metric), units_of(options_.metric), options_.receivers, !options_.direct},
                       all, *graph_);
  }

private:
  const PathsOptions& options_;
  const Engine* engine_ = nullptr;
  std::string name_;
  std::vector<PatchPair> pairs_;
  std::unique_ptr<ComputationalGraph> graph_;
  PathOptions paths_;
};

} // namespace

std::unique_ptr<Cells> make_paths_cells(const PathsOptions& options) { return std::make_unique<PathsCells>(options); }

} // namespace headscope::methods
