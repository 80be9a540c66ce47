// SPDX-License-Identifier: GPL-3.0-or-later
// Path patching: a cell is one pair, with all senders.
#include <limits>

#include "app/cli/experiment/step.h"
#include "app/cli/result_groups.h"

namespace headscope::cli {
namespace {

class PathsStep : public Step {
public:
  std::vector<std::string> senders, receivers = {"logits"};
  CircuitTask patching; // its metric and budget
  bool direct = false;

  Status bind(const StepInput& input) override {
    engine_ = input.engine;
    pairs_ = input.task->pairs();
    graph_ = std::make_unique<ComputationalGraph>(graph_shape(engine_->config()));
    paths_.through_mlps = !direct;
    for (const std::string& each : senders) {
      const auto sender = graph_->find_sender(each);
      if (!sender.ok()) return make_error(sender.error().code, each + " " + sender.error().message, {}, "senders");
      paths_.senders.push_back(*sender);
    }
    for (const std::string& each : receivers) {
      const auto receiver = graph_->find_receiver(each);
      if (!receiver.ok())
        return make_error(receiver.error().code, each + " " + receiver.error().message, {}, "receivers");
      paths_.receivers.push_back(*receiver);
    }
    if (!paths_.senders.empty()) return {};
    int reach = 0;
    for (const int receiver : paths_.receivers)
      reach = std::max(reach, graph_->receivers()[static_cast<std::size_t>(receiver)].reads);
    for (int s = 0; s < reach; ++s)
      if (graph_->senders()[static_cast<std::size_t>(s)].kind == SenderKind::head) paths_.senders.push_back(s);
    return {};
  }
  std::int64_t cells() const override { return static_cast<std::int64_t>(pairs_.size()); }

  StepCost cost() const override {
    StepCost cost;
    const auto senders_count = static_cast<double>(paths_.senders.size());
    for (const PatchPair& pair : pairs_) {
      cost.forwards += senders_count + 2.0;
      cost.tokens += static_cast<double>(pair.clean.size()) * (senders_count + 2.0);
    }
    cost.most_tokens = 4096;
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults&, const Console& console) const override {
    CircuitTask one = patching;
    one.pairs = {pairs_[static_cast<std::size_t>(cell)]};
    HS_ASSIGN(const PathEffects found, patch_paths(*engine_, *graph_, one, paths_, console.task()));
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
    return store_paths(writer, "/paths/" + name, {to_string(patching.metric), units_of(patching.metric), receivers, !direct}, all, *graph_);
  }

private:
  const Engine* engine_ = nullptr;
  std::vector<PatchPair> pairs_;
  std::unique_ptr<ComputationalGraph> graph_;
  PathOptions paths_;
};

} // namespace

Result<std::unique_ptr<Step>> read_paths_step(TomlTable& table) {
  auto step = std::make_unique<PathsStep>();
  table.read("senders", step->senders);
  table.read("receivers", step->receivers);
  table.read("direct", step->direct);
  read_parsed(table, "metric", step->patching.metric, parse_metric);
  table.read("tokens_per_run", step->patching.tokens_per_run);
  check_at_least(table, "tokens_per_run", step->patching.tokens_per_run, 0);
  return std::unique_ptr<Step>(std::move(step));
}

} // namespace headscope::cli
