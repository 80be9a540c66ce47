// SPDX-License-Identifier: GPL-3.0-or-later
// Circuit discovery. Scores: a cell is one pair. A last cell takes their means, chooses the circuit and measures it;
// ACDC, which goes by all pairs at once, is that cell alone.
#include <limits>

#include "app/cli/experiment/payload.h"
#include "app/cli/experiment/step.h"
#include "app/cli/result_groups.h"
#include "core/analysis/sweep.h"

namespace headscope::cli {
namespace {

constexpr double unmeasured = std::numeric_limits<double>::quiet_NaN();

// Of the pairs' values, in their order.
std::vector<double> mean_of(const CellResults& cells, const char* key, std::int64_t pairs) {
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

class CircuitStep : public Step {
public:
  CircuitOptions options;
  CircuitPlan plan;

  Status bind(const StepInput& input) override {
    engine_ = input.engine;
    title_ = input.task->title();
    options.name = name;
    task_.pairs = input.task->pairs();
    task_.metric = plan.metric;
    task_.ablation = plan.ablation;
    task_.tokens_per_run = options.tokens_per_run;
    for (const PatchPair& pair : task_.pairs)
      task_.reference.push_back(pair.clean);
    return check_task(*engine_, task_);
  }

  std::int64_t cells() const override { return scored() + 1; }
  bool waits(std::int64_t cell) const override { return cell == scored() && scored() > 0; }

  StepCost cost() const override {
    StepCost cost;
    const ComputationalGraph graph(graph_shape(engine_->config()));
    const auto edges = static_cast<double>(graph.edge_count());
    const double curve = options.curve ? 40.0 : 0.0;
    double passes = 3.0 * static_cast<double>(options.steps); // forward and backward
    if (plan.method == ScoreMethod::exact) passes = edges / 2.0;
    if (plan.method == ScoreMethod::eap) passes = 5.0;
    if (plan.method == ScoreMethod::clean_corrupted) passes = 8.0;
    if (!plan.method) passes = edges * static_cast<double>(options.thresholds.size());
    for (const PatchPair& pair : task_.pairs) {
      cost.forwards += passes + 3.0 + curve;
      cost.tokens += static_cast<double>(pair.clean.size()) * (passes + 3.0 + curve);
      // What all senders write.
      cost.most_tokens = std::max(cost.most_tokens, static_cast<double>(pair.clean.size() * graph.senders().size()));
    }
    return cost;
  }

  Result<nlohmann::json> run(std::int64_t cell, const CellResults& others, const Console& console) const override {
    return cell < scored() ? score(cell, console) : finish(others, console);
  }

  Status store(store::ResultWriter& writer, const CellResults& done) const override {
    CircuitOutcome out = begin_circuit(*engine_, task_, title_, options, plan);
    const bool all = static_cast<std::int64_t>(done.size()) == cells();
    if (!all) {
      out.complete = false;
      describe_circuit(options, plan, out);
      return store_circuit(writer, out);
    }
    const nlohmann::json& last = done.at(scored());
    if (plan.method) {
      take_scores(done, out);
      choose_circuit(options, plan, out);
    } else {
      out.circuit.scores = last.at("scores").get<std::vector<double>>();
      out.circuit.circuit.edges = last.at("edges").get<std::vector<std::uint8_t>>();
    }
    out.clean = last.at("clean");
    out.empty = last.at("empty");
    out.metric = last.at("metric");
    if (last.contains("by_signed")) out.by_signed = curve_from_payload(last.at("by_signed"));
    if (last.contains("by_absolute")) out.by_absolute = curve_from_payload(last.at("by_absolute"));
    describe_circuit(options, plan, out);
    return store_circuit(writer, out);
  }

private:
  std::int64_t scored() const { return plan.method ? static_cast<std::int64_t>(task_.pairs.size()) : 0; }

  void take_scores(const CellResults& cells, CircuitOutcome& out) const {
    out.circuit.scores = mean_of(cells, "edges", scored());
    out.circuit.node_scores = mean_of(cells, "nodes", scored());
  }

  Result<nlohmann::json> score(std::int64_t cell, const Console& console) const {
    CircuitTask one = task_;
    one.pairs = {task_.pairs[static_cast<std::size_t>(cell)]};
    const ComputationalGraph graph(graph_shape(engine_->config()));
    HS_ASSIGN(const GraphScores found,
              score_edges(*engine_, graph, one, {*plan.method, options.steps}, console.task()));
    if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
    return nlohmann::json{{"edges", found.edges}, {"nodes", found.nodes}};
  }

  Result<nlohmann::json> finish(const CellResults& others, const Console& console) const {
    CircuitOutcome out = begin_circuit(*engine_, task_, title_, options, plan);
    if (plan.method) take_scores(others, out);
    HS_ASSIGN(const CircuitRunner runner, CircuitRunner::create(*engine_, task_, console.task()));
    HS_TRY(finish_circuit(runner, options, plan, console, out));
    if (!out.complete) return make_error(ErrorCode::cancelled, "interrupted");
    nlohmann::json result = {{"clean", out.clean}, {"empty", out.empty}, {"metric", out.metric}};
    if (!plan.method) {
      result["scores"] = out.circuit.scores;
      result["edges"] = out.circuit.circuit.edges;
    }
    if (out.by_signed) result["by_signed"] = to_payload(*out.by_signed);
    if (out.by_absolute) result["by_absolute"] = to_payload(*out.by_absolute);
    return result;
  }

  const Engine* engine_ = nullptr;
  CircuitTask task_;
  std::string title_;
};

} // namespace

Result<std::unique_ptr<Step>> read_circuit_step(TomlTable& table) {
  auto step = std::make_unique<CircuitStep>();
  CircuitOptions& options = step->options;
  table.read("scores", options.method);
  table.read("steps", options.steps);
  table.read("ablation", options.ablation);
  table.read("metric", options.metric);
  table.read("build", options.build);
  table.read("top_n", options.top_n);
  table.read("threshold", options.thresholds);
  table.read("signed", options.signed_scores);
  table.read("curve", options.curve);
  table.read("tokens_per_run", options.tokens_per_run);
  check_at_least(table, "steps", options.steps, 1);
  check_at_least(table, "top_n", options.top_n, 0);
  check_at_least(table, "tokens_per_run", options.tokens_per_run, 0);
  const auto plan = plan_circuit(options);
  if (plan.ok())
    step->plan = *plan;
  else {
    const std::string field = plan.error().field;
    const char* key = field == "--method"                     ? "scores"
                      : field == "ablation"                   ? "ablation"
                      : field == "--threshold"                ? "threshold"
                      : table.has("build") && field == "rule" ? "build"
                                                              : field.c_str();
    table.fail(table.error_at(key, plan.error().code, plan.error().message));
  }
  return std::unique_ptr<Step>(std::move(step));
}

} // namespace headscope::cli
