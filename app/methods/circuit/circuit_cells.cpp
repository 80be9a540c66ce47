// SPDX-License-Identifier: GPL-3.0-or-later
// The cells of circuit discovery. For scores, a cell is one pair, and a last cell takes their means, chooses the
// circuit and measures it; ACDC, which uses all pairs at once, is that last cell alone.
#include <algorithm>

#include "app/methods/circuit/circuit.h"
#include "app/methods/circuit/circuit_payload.h"
#include "app/methods/circuit/circuit_store.h"
#include "core/prompts/tasks/task.h"
#include "core/sweeps/sweep.h"

namespace headscope::methods {
namespace {

// Averages element by element over the pairs, added in their order.
std::vector<double> mean_of_pairs(const CellResults& cells, const char* key, std::int64_t pairs) {
  std::vector<double> sum;
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const auto values = cells.at(pair).at(key).get<std::vector<double>>();
    sum.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      sum[i] += values[i];
  }
  for (double& value : sum)
    value /= static_cast<double>(pairs);
  return sum;
}

class CircuitCells : public Cells {
public:
  explicit CircuitCells(const CircuitMethodOptions& asked) : asked_(asked) {}

  Status bind(const CellInput& input) override {
    engine_ = input.engine;
    title_ = input.task->title();
    options_ = asked_.circuit;
    options_.name = input.name;
    method_ = options_.score_method();
    task_.pairs = input.task->pairs();
    task_.metric = options_.metric;
    task_.ablation = options_.ablation;
    task_.tokens_per_run = options_.tokens_per_run;
    for (const PatchPair& pair : task_.pairs)
      task_.reference.push_back(pair.clean);
    return check_task(*engine_, task_);
  }

  std::int64_t count() const override { return scored() + 1; }
  bool waits(std::int64_t cell) const override { return cell == scored() && scored() > 0; }

  Cost cost() const override {
    Cost cost;
    const ComputationalGraph graph(graph_shape(engine_->config()));
    const auto edges = static_cast<double>(graph.edge_count());
    const double curve = options_.curve ? 40.0 : 0.0;
    double passes = 3.0 * static_cast<double>(options_.steps); // forward and backward
    if (method_ == ScoreMethod::exact) passes = edges / 2.0;
    if (method_ == ScoreMethod::eap) passes = 5.0;
    if (method_ == ScoreMethod::clean_corrupted) passes = 8.0;
    if (!method_) passes = edges * static_cast<double>(options_.thresholds.size());
    for (const PatchPair& pair : task_.pairs) {
      cost.forwards += passes + 3.0 + curve;
      cost.tokens += static_cast<double>(pair.clean.size()) * (passes + 3.0 + curve);
      // The outputs of all senders.
      cost.most_tokens = std::max(cost.most_tokens, static_cast<double>(pair.clean.size() * graph.senders().size()));
    }
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults& others, const Context& context) const override {
    return cell < scored() ? score(cell, context) : finish(others, context);
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    CircuitOutcome out = begin_circuit(*engine_, task_, title_, options_);
    const bool all = static_cast<std::int64_t>(done.size()) == count();
    if (!all) {
      out.complete = false;
      describe_circuit(options_, out);
      return store_circuit(writer, out);
    }
    const nlohmann::json& last = done.at(scored());
    if (method_) {
      take_scores(done, out);
      choose_circuit(options_, out);
    } else {
      out.circuit.scores = last.at("scores").get<std::vector<double>>();
      out.circuit.circuit.edges = last.at("edges").get<std::vector<std::uint8_t>>();
    }
    out.clean = last.at("clean");
    out.empty = last.at("empty");
    out.metric = last.at("metric");
    if (last.contains("by_signed")) out.by_signed = curve_from_payload(last.at("by_signed"));
    if (last.contains("by_absolute")) out.by_absolute = curve_from_payload(last.at("by_absolute"));
    describe_circuit(options_, out);
    return store_circuit(writer, out);
  }

private:
  std::int64_t scored() const { return method_ ? static_cast<std::int64_t>(task_.pairs.size()) : 0; }

  void take_scores(const CellResults& cells, CircuitOutcome& out) const {
    out.circuit.scores = mean_of_pairs(cells, "edges", scored());
    out.circuit.node_scores = mean_of_pairs(cells, "nodes", scored());
  }

  Result<nlohmann::json> score(std::int64_t cell, const Context& context) const {
    CircuitTask one = task_;
    one.pairs = {task_.pairs[static_cast<std::size_t>(cell)]};
    const ComputationalGraph graph(graph_shape(engine_->config()));
    HS_ASSIGN(const GraphScores found, score_edges(*engine_, graph, one, {*method_, options_.steps}, context.control()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return nlohmann::json{{"edges", found.edges}, {"nodes", found.nodes}};
  }

  Result<nlohmann::json> finish(const CellResults& others, const Context& context) const {
    CircuitOutcome out = begin_circuit(*engine_, task_, title_, options_);
    if (method_) take_scores(others, out);
    HS_ASSIGN(const CircuitRunner runner, CircuitRunner::create(*engine_, task_, context.control()));
    HS_TRY(finish_circuit(runner, options_, context, out));
    if (!out.complete) return make_error(ErrorCode::cancelled, "interrupted");
    nlohmann::json result = {{"clean", out.clean}, {"empty", out.empty}, {"metric", out.metric}};
    if (!method_) {
      result["scores"] = out.circuit.scores;
      result["edges"] = out.circuit.circuit.edges;
    }
    if (out.by_signed) result["by_signed"] = to_payload(*out.by_signed);
    if (out.by_absolute) result["by_absolute"] = to_payload(*out.by_absolute);
    return result;
  }

  const CircuitMethodOptions& asked_;
  CircuitOptions options_;            // with the name of the step's group
  std::optional<ScoreMethod> method_; // nothing: acdc
  const Engine* engine_ = nullptr;
  CircuitTask task_;
  std::string title_;
};

} // namespace

std::unique_ptr<Cells> make_circuit_cells(const CircuitMethodOptions& options) {
  return std::make_unique<CircuitCells>(options);
}

} // namespace headscope::methods
