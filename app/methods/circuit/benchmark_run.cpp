// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/benchmark_run.h"

#include <chrono>
#include <random>

namespace headscope::methods {
namespace {

// Edges are scored with the method's ablation; circuits are run with the runner's, which patches from the corrupt
// prompts.
Result<ScoredMethod> measure(const Engine& engine, const CircuitRunner& runner, const std::string& task_name,
                             const CircuitOptions& method, const Context& context) {
  CircuitTask task = runner.task();
  task.ablation = method.ablation;
  ScoredMethod out{begin_circuit(engine, task, task_name, method), 0.0};
  context.begin_step();
  const auto start = std::chrono::steady_clock::now();
  HS_ASSIGN(GraphScores scores,
            score_edges(engine, runner.graph(), task, {*method.score_method(), method.steps}, context.control()));
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out.outcome.circuit.scores = std::move(scores.edges);
  out.outcome.circuit.node_scores = std::move(scores.nodes);
  out.outcome.complete = scores.complete;
  HS_TRY(finish_circuit(runner, method, context, out.outcome));
  return out;
}

// Measures the curve of a random order of the edges, all orders being equally likely.
Result<Curve> random_curve(const CircuitRunner& runner, std::uint64_t seed, BuildRule rule, const Context& context) {
  std::mt19937_64 random(seed);
  std::vector<double> importance;
  for (std::int64_t e = 0; e < runner.graph().edge_count(); ++e)
    importance.push_back(static_cast<double>(random() >> 11) + 1.0);
  CurveOptions options;
  options.rule = rule;
  context.begin_step();
  return faithfulness_curve(runner, importance, options, context.control());
}

} // namespace

Result<Benchmark> run_benchmark(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                                const BenchmarkPlan& plan, const Context& context) {
  HS_ASSIGN(const CircuitRunner runner, CircuitRunner::create(engine, task, context.control()));
  Benchmark out{task_name, to_string(task.metric), std::ssize(task.pairs), runner.graph().edge_count(), {}, {}, false};
  for (std::int64_t seed = 0; seed < plan.random_circuits; ++seed) {
    auto curve = random_curve(runner, static_cast<std::uint64_t>(seed), plan.random_rule, context);
    if (!curve.ok() && !context.cancel.cancelled()) return curve.error();
    if (!curve.ok() || !curve->complete) return out;
    out.random.push_back(std::move(*curve));
  }
  for (const CircuitOptions& method : plan.methods) {
    if (context.cancel.cancelled()) return out;
    HS_ASSIGN(ScoredMethod scored, measure(engine, runner, task_name, method, context));
    if (!scored.outcome.complete) return out;
    out.methods.push_back(std::move(scored));
  }
  out.complete = true;
  return out;
}

} // namespace headscope::methods
