// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/circuit_benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include "app/cli/circuit_run.h"
#include "app/cli/interrupt.h"
#include "app/cli/model_options.h"
#include "app/cli/pair_set.h"
#include "app/cli/progress.h"
#include "app/cli/result_groups.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PairSetOptions pairs;
  CircuitOptions circuit;
  OutputOptions output;
  std::vector<std::string> methods = {"eap",           "eap:zero",           "eap:mean",       "eap:mean_by_position",
                                      "eap_ig_inputs", "eap_ig_activations", "clean_corrupted"};
  std::int64_t random_circuits = 5;
  std::string table = "text";
};

// One way of scoring edges.
struct Method {
  CircuitOptions options; // its name is that of the graph: "eap-zero"
  CircuitPlan plan;       // its ablation counts while scoring only
};

struct Scored {
  CircuitOutcome outcome;
  double seconds = 0.0; // of scoring
};

struct Benchmark {
  std::string task, metric;
  std::int64_t pairs = 0, graph_edges = 0;
  std::vector<Scored> methods;
  std::vector<Curve> random; // one a seed
  bool complete = false;
};

Result<std::vector<Method>> plan_methods(const Options& options) {
  std::vector<Method> methods;
  for (const std::string& text : options.methods) {
    Method method{options.circuit, {}};
    method.options.curve = true;
    method.options.completeness = false;
    const auto colon = text.find(':');
    method.options.method = text.substr(0, colon);
    if (colon != std::string::npos) method.options.ablation = text.substr(colon + 1);
    auto plan = plan_circuit(method.options);
    if (!plan.ok()) return make_error(plan.error().code, plan.error().message, {}, "--methods " + text);
    if (!plan->method)
      return make_error(ErrorCode::invalid_argument, "acdc ranks no edges; see headscope circuit --method acdc", {},
                        "--methods");
    method.plan = *plan;
    method.options.name = to_string(*plan->method);
    if (plan->ablation != EdgeAblation::patch) method.options.name += std::string("-") + to_string(plan->ablation);
    methods.push_back(std::move(method));
  }
  return methods;
}

// Scores with the method's ablation; circuits are run with the runner's, which is the corrupt prompts'.
Result<Scored> measure(const Engine& engine, const CircuitRunner& runner, const std::string& task_name,
                       const Method& method, const Console& console) {
  CircuitTask task = runner.task();
  task.ablation = method.plan.ablation;
  Scored out{begin_circuit(engine, task, task_name, method.options, method.plan), 0.0};
  console.begin_step();
  const auto start = std::chrono::steady_clock::now();
  HS_ASSIGN(GraphScores scores,
            score_edges(engine, runner.graph(), task, {*method.plan.method, method.options.steps}, console.task()));
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out.outcome.circuit.scores = std::move(scores.edges);
  out.outcome.circuit.node_scores = std::move(scores.nodes);
  out.outcome.complete = scores.complete;
  HS_TRY(finish_circuit(runner, method.options, method.plan, console, out.outcome));
  return out;
}

// All orders of the edges are equally likely.
Result<Curve> random_curve(const CircuitRunner& runner, std::uint64_t seed, BuildRule rule, const Console& console) {
  std::mt19937_64 random(seed);
  std::vector<double> importance;
  for (std::int64_t e = 0; e < runner.graph().edge_count(); ++e)
    importance.push_back(static_cast<double>(random() >> 11) + 1.0);
  CurveOptions options;
  options.rule = rule;
  console.begin_step();
  return faithfulness_curve(runner, importance, options, console.task());
}

Result<Benchmark> run_all(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                          const Options& options, const std::vector<Method>& methods, const Console& console) {
  HS_ASSIGN(const CircuitRunner runner, CircuitRunner::create(engine, task, console.task()));
  Benchmark out{task_name, to_string(task.metric), std::ssize(task.pairs), runner.graph().edge_count(), {}, {}, false};
  for (std::int64_t seed = 0; seed < options.random_circuits; ++seed) {
    const BuildRule rule = options.circuit.build == "greedy" ? BuildRule::greedy : BuildRule::top_n;
    auto curve = random_curve(runner, static_cast<std::uint64_t>(seed), rule, console);
    if (!curve.ok() && !interrupted()) return curve.error();
    if (!curve.ok() || !curve->complete) return out;
    out.random.push_back(std::move(*curve));
  }
  for (const Method& method : methods) {
    if (interrupted()) return out;
    HS_ASSIGN(Scored scored, measure(engine, runner, task_name, method, console));
    if (!scored.outcome.complete) return out;
    out.methods.push_back(std::move(scored));
  }
  out.complete = true;
  return out;
}

// ---- What is said

struct Spread {
  double mean = 0.0, low = 0.0, high = 0.0;
};

// NaN of none.
Spread spread_of(const std::vector<Curve>& curves, double Curve::*area) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  Spread out{curves.empty() ? none : 0.0, none, none};
  for (const Curve& curve : curves) {
    out.mean += curve.*area / static_cast<double>(curves.size());
    out.low = std::fmin(out.low, curve.*area); // of a NaN and a number, the number
    out.high = std::fmax(out.high, curve.*area);
  }
  return out;
}

nlohmann::json to_json(const Spread& spread) {
  return {{"mean", number(spread.mean)}, {"low", number(spread.low)}, {"high", number(spread.high)}};
}

nlohmann::json faithfulness_of(const Curve& curve) {
  nlohmann::json out = nlohmann::json::array();
  for (const CurvePoint& point : curve.points)
    out.push_back(number(point.faithfulness));
  return out;
}

nlohmann::json to_json(const Benchmark& found) {
  nlohmann::json methods = nlohmann::json::array(), circuits = nlohmann::json::array();
  for (const Scored& each : found.methods) {
    const CircuitOutcome& out = each.outcome;
    methods.push_back({{"method", out.circuit.method},
                       {"ablation", out.circuit.ablation},
                       {"cpr", number(out.by_signed->cpr)},
                       {"cmd", number(out.by_absolute->cmd)},
                       {"seconds", each.seconds},
                       {"signed", faithfulness_of(*out.by_signed)},
                       {"absolute", faithfulness_of(*out.by_absolute)}});
  }
  for (const Curve& curve : found.random)
    circuits.push_back(
        {{"cpr", number(curve.cpr)}, {"cmd", number(curve.cmd)}, {"faithfulness", faithfulness_of(curve)}});
  return {{"task", found.task},
          {"metric", found.metric},
          {"pairs", found.pairs},
          {"graph_edges", found.graph_edges},
          {"shares", mib_shares()},
          {"methods", methods},
          {"random",
           {{"cpr", to_json(spread_of(found.random, &Curve::cpr))},
            {"cmd", to_json(spread_of(found.random, &Curve::cmd))},
            {"circuits", circuits}}},
          {"complete", found.complete}};
}

using Lines = std::vector<std::vector<std::string>>;

std::string text_of(const Spread& spread) {
  return fixed(spread.mean, 3) + " (" + fixed(spread.low, 3) + " to " + fixed(spread.high, 3) + ")";
}

// Without times, so that it is the same on every machine.
Lines table_of(const Benchmark& found) {
  Lines lines = {{"method", "patched while scoring", "CPR", "CMD"}};
  if (!found.random.empty())
    lines.push_back({"random, " + std::to_string(found.random.size()) + " orders", "",
                     text_of(spread_of(found.random, &Curve::cpr)), text_of(spread_of(found.random, &Curve::cmd))});
  for (const Scored& each : found.methods)
    lines.push_back({each.outcome.circuit.method, each.outcome.circuit.ablation, fixed(each.outcome.by_signed->cpr, 3),
                     fixed(each.outcome.by_absolute->cmd, 3)});
  return lines;
}

Lines csv_of(const Benchmark& found) {
  Lines lines = {{"method", "ablation", "cpr", "cpr_low", "cpr_high", "cmd", "cmd_low", "cmd_high", "seconds"}};
  const auto digits = [](double value) { return fixed(value, 6); };
  if (!found.random.empty()) {
    const Spread cpr = spread_of(found.random, &Curve::cpr), cmd = spread_of(found.random, &Curve::cmd);
    lines.push_back({"random", "", digits(cpr.mean), digits(cpr.low), digits(cpr.high), digits(cmd.mean),
                     digits(cmd.low), digits(cmd.high), ""});
  }
  for (const Scored& each : found.methods)
    lines.push_back({each.outcome.circuit.method, each.outcome.circuit.ablation, digits(each.outcome.by_signed->cpr),
                     "", "", digits(each.outcome.by_absolute->cmd), "", "", digits(each.seconds)});
  return lines;
}

std::string joined(const Lines& lines, const std::string& before, const std::string& between,
                   const std::string& after) {
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i)
      out += (i == 0 ? before : between) + line[i];
    out += after + "\n";
  }
  return out;
}

void print_table(const Benchmark& found, const std::string& form) {
  if (form == "csv") {
    std::printf("%s", joined(csv_of(found), "", ",", "").c_str());
    return;
  }
  Lines lines = table_of(found);
  if (form == "markdown")
    lines.insert(lines.begin() + 1, {"---", "---", "--:", "--:"});
  else
    std::printf("%s, %lld pairs, %s; %lld edges\n", found.task.c_str(), static_cast<long long>(found.pairs),
                found.metric.c_str(), static_cast<long long>(found.graph_edges));
  std::printf("%s", (form == "markdown" ? joined(lines, "| ", " | ", " |") : aligned(lines)).c_str());
}

Status store_benchmark(store::ResultWriter& writer, const Options& options, const Model& model, const PairSet& pairs,
                       const Benchmark& found) {
  HS_TRY(store_model(writer, model, options.model));
  store::Attributes used = option_attributes(options.pairs);
  used.insert(used.end(), {{"methods", options.methods},
                           {"random", options.random_circuits},
                           {"steps", options.circuit.steps},
                           {"metric", options.circuit.metric},
                           {"build", options.circuit.build},
                           {"top_n", options.circuit.top_n},
                           {"tokens_per_run", options.circuit.tokens_per_run}});
  HS_TRY(writer.set_options("circuit_benchmark", used));
  HS_TRY(store_pairs(writer, model, pairs));
  for (const Scored& each : found.methods)
    HS_TRY(store_circuit(writer, each.outcome));
  return {};
}

Status run(const Options& options, const Console& asked) {
  if (options.circuit.build == "threshold")
    return make_error(ErrorCode::invalid_argument, "must be top_n or greedy: shares of edges are compared", {},
                      "--build");
  HS_ASSIGN(const auto methods, plan_methods(options));
  HS_ASSIGN(const MetricKind metric, parse_metric(options.circuit.metric));
  HS_TRY(check_pair_set(options.pairs, true));
  HS_ASSIGN(auto writer, open_output(options.output, asked, {static_cast<std::int64_t>(options.pairs.task.seed)}));
  HS_ASSIGN(const auto model, load(options.model, asked, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const PairSet pairs,
            make_pair_set(*model, options.pairs, {true, needs_answers(metric), needs_wrong(metric)}));
  note_dropped(pairs.dropped, asked);
  CircuitTask task;
  task.pairs = pairs.pairs;
  task.metric = metric;
  task.tokens_per_run = options.circuit.tokens_per_run;
  Console console = asked;
  console.steps = static_cast<int>(options.random_circuits) + static_cast<int>(methods.size());
  HS_ASSIGN(const Benchmark found, run_all(engine, task, pairs.task, options, methods, console));
  finish_progress();
  if (writer) HS_TRY(store_benchmark(*writer, options, *model, pairs, found));
  if (console.json)
    asked.print(to_json(found));
  else
    print_table(found, options.table);
  return finish_output(writer, options.output, asked, found.complete);
}

} // namespace

void add_circuit_benchmark(CLI::App& circuit, Commands& commands) {
  CLI::App* command =
      add_command(circuit, commands, "benchmark", "CPR and CMD of all methods on one task, beside random circuits",
                  "headscope circuit benchmark --model smollm2 --task ioi --count 4 --table markdown");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  add_pair_set_options(*command, options->pairs);
  command
      ->add_option("--methods", options->methods,
                   "METHOD or METHOD:ABLATION, as --method and --ablation of headscope circuit; not acdc")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--random", options->random_circuits, "Random orders of the edges to compare with")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--steps", options->circuit.steps, "Of the integrated gradients")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_option("--metric", options->circuit.metric, metric_names())->capture_default_str();
  command->add_option("--build", options->circuit.build, "top_n or greedy")->capture_default_str();
  command->add_option("--top-n", options->circuit.top_n, "Edges of the circuits in the file")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--table", options->table, "text, markdown or csv")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "markdown", "csv"}));
  command
      ->add_option("--tokens-per-run", options->circuit.tokens_per_run,
                   "Tokens that go through the model at once; 0: by memory")
      ->capture_default_str()
      ->check(at_least(0));
  add_output_options(*command, options->output, false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
