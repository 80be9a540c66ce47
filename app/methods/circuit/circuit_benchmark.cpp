// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_benchmark.h"

#include "app/methods/circuit/benchmark_run.h"
#include "app/methods/circuit/circuit_store.h"
#include "app/methods/inputs/pair_set.h"
#include "app/methods/inputs/tokens_per_run.h"

namespace headscope::methods {
namespace {

struct BenchmarkOptions {
  PairSetOptions pairs;
  CircuitOptions circuit;
  std::vector<std::string> methods = {"eap",           "eap:zero",           "eap:mean",       "eap:mean_by_position",
                                      "eap_ig_inputs", "eap_ig_activations", "clean_corrupted"};
  std::int64_t random_circuits = 5;
  std::string table = "text";
};

// Reads a method such as "eap:zero" into the options that all methods share.
Result<CircuitOptions> method_of(const std::string& text, const CircuitOptions& shared) {
  CircuitOptions method = shared;
  method.curve = true;
  method.completeness = false;
  const std::string field = "--methods " + text;
  const auto colon = text.find(':');
  HS_ASSIGN(method.method, parse_name<CircuitMethod>(text.substr(0, colon), field));
  if (colon != std::string::npos) {
    HS_ASSIGN(method.ablation, parse_name<EdgeAblation>(text.substr(colon + 1), field));
  }
  if (method.method == CircuitMethod::acdc)
    return make_error(ErrorCode::invalid_argument, "acdc ranks no edges; see headscope circuit --method acdc", {},
                      "--methods");
  method.name = name_of(method.method);
  if (method.ablation != EdgeAblation::patch) method.name.append("-").append(to_string(method.ablation));
  return method;
}

Result<BenchmarkPlan> plan_of(const BenchmarkOptions& options) {
  BenchmarkPlan plan;
  plan.random_circuits = options.random_circuits;
  plan.random_rule = options.circuit.build;
  for (const std::string& text : options.methods) {
    HS_ASSIGN(CircuitOptions method, method_of(text, options.circuit));
    plan.methods.push_back(std::move(method));
  }
  return plan;
}

class CircuitBenchmark : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "circuit benchmark",
        .summary = "CPR and CMD of all methods on one task, beside random circuits",
        .example = "headscope circuit benchmark --model smollm2 --task ioi --count 4 --table markdown",
        .stored_as = "circuit_benchmark"};
    return info;
  }

  void inputs(OptionList& list) override { list_pair_set_options(list, options_.pairs); }
  store::Attributes recorded_inputs() const override { return option_attributes(options_.pairs); }

  void options(OptionList& list) override {
    CircuitOptions& circuit = options_.circuit;
    list.add("methods", options_.methods,
             "METHOD or METHOD:ABLATION, as --method and --ablation of headscope circuit; not acdc")
        .by_comma();
    list.add("random", options_.random_circuits, "Random orders of the edges to compare with").at_least(0);
    list.add("steps", circuit.steps, "Of the integrated gradients").at_least(1);
    list.add_choice("metric", circuit.metric, "What is measured at the last token");
    list.add_choice("build", circuit.build, "Which edges are chosen; not by a threshold, as shares are compared");
    list.add("top_n", circuit.top_n, "Edges of the circuits in the file").in("edge").at_least(0);
    list.add_choice("table", options_.table, {{"text", {}}, {"markdown", {}}, {"csv", {}}}, "How the table is written")
        .unrecorded();
    list_graph_tokens_per_run(list, circuit.tokens_per_run);
  }

  Status check_inputs() override { return check_pair_set(options_.pairs, true); }

  Status check_options() override {
    if (options_.circuit.build == BuildRule::threshold)
      return make_error(ErrorCode::invalid_argument, "must be top_n or greedy: shares of edges are compared", {},
                        "--build");
    HS_TRY(plan_of(options_));
    return {};
  }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.pairs.task.seed)}; }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    const MetricKind metric = options_.circuit.metric;
    HS_ASSIGN(const BenchmarkPlan plan, plan_of(options_));
    HS_ASSIGN(const PairSet pairs,
              make_pair_set(work.engine, options_.pairs, {true, needs_answers(metric), needs_wrong(metric)}));
    note_dropped(pairs.dropped, work.context);
    CircuitTask task;
    task.pairs = pairs.pairs;
    task.metric = metric;
    task.tokens_per_run = options_.circuit.tokens_per_run;
    Context context = work.context;
    context.steps = static_cast<int>(plan.random_circuits) + static_cast<int>(plan.methods.size());
    HS_ASSIGN(const Benchmark found, run_benchmark(work.engine, task, pairs.task, plan, context));
    if (work.writer) {
      HS_TRY(store_pairs(*work.writer, model, pairs));
      for (const ScoredMethod& each : found.methods)
        HS_TRY(store_circuit(*work.writer, each.outcome));
    }
    return Report{to_json(found), text_of(found, options_.table), found.complete};
  }

private:
  BenchmarkOptions options_;
};

} // namespace

std::unique_ptr<Method> make_circuit_benchmark() { return std::make_unique<CircuitBenchmark>(); }

} // namespace headscope::methods
