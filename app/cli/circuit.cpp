// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/cli/ablate_run.h"
#include "app/cli/circuit_benchmark.h"
#include "app/cli/circuit_files.h"
#include "app/cli/circuit_run.h"
#include "app/cli/command.h"
#include "app/cli/model_options.h"
#include "app/cli/pair_set.h"
#include "app/cli/progress.h"
#include "app/cli/result_groups.h"
#include "app/cli/result_output.h"
#include "app/cli/values.h"
#include "core/base/plain_text.h"
#include "core/store/part_name.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  PairSetOptions pairs;
  CircuitOptions circuit;
  OutputOptions output;
};

// Edges of the circuit, the most important first.
std::vector<std::int64_t> ranked_edges(const ScoredCircuit& circuit) {
  std::vector<std::int64_t> order;
  for (std::int64_t e = 0; e < circuit.graph.edge_count(); ++e)
    if (circuit.circuit.edges[static_cast<std::size_t>(e)]) order.push_back(e);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return std::abs(circuit.scores[static_cast<std::size_t>(a)]) >
           std::abs(circuit.scores[static_cast<std::size_t>(b)]);
  });
  return order;
}

std::vector<std::string> node_names(const ScoredCircuit& circuit) {
  std::vector<std::string> names;
  const auto members = nodes_of(circuit.graph, circuit.circuit);
  for (std::size_t s = 0; s < members.size(); ++s)
    if (members[s]) names.push_back(circuit.graph.sender_name(static_cast<int>(s)));
  return names;
}

nlohmann::json to_json(const Curve& curve) {
  nlohmann::json points = nlohmann::json::array();
  for (const CurvePoint& point : curve.points)
    points.push_back({{"share", point.share},
                      {"edges", point.edges},
                      {"metric", number(point.metric)},
                      {"faithfulness", number(point.faithfulness)},
                      {"without", number(point.without)}});
  return points;
}

nlohmann::json to_json(const CircuitOutcome& outcome) {
  const ScoredCircuit& circuit = outcome.circuit;
  nlohmann::json edges = nlohmann::json::array();
  for (const std::int64_t e : ranked_edges(circuit))
    edges.push_back(
        {{"edge", circuit.graph.edge_name(e)}, {"score", number(circuit.scores[static_cast<std::size_t>(e)])}});
  nlohmann::json out = {{"method", circuit.method},
                        {"metric", circuit.metric},
                        {"ablation", circuit.ablation},
                        {"task", circuit.task},
                        {"graph_edges", circuit.graph.edge_count()},
                        {"nodes", node_names(circuit)},
                        {"edges", std::move(edges)},
                        {"clean", number(outcome.clean)},
                        {"empty", number(outcome.empty)},
                        {"circuit", number(outcome.metric)},
                        {"faithfulness", number(outcome.faithfulness())},
                        {"complete", outcome.complete}};
  if (outcome.by_signed) {
    out["cpr"] = number(outcome.by_signed->cpr);
    out["curve"]["signed"] = to_json(*outcome.by_signed);
  }
  if (outcome.by_absolute) {
    out["cmd"] = number(outcome.by_absolute->cmd);
    out["curve"]["absolute"] = to_json(*outcome.by_absolute);
  }
  for (const AcdcResult& result : outcome.acdc)
    out["acdc"].push_back({{"threshold", result.threshold},
                           {"edges", result.circuit.size()},
                           {"circuit", number(result.metric)},
                           {"runs", result.runs},
                           {"complete", result.complete}});
  return out;
}

void print_curve(const Curve& curve, const char* title, const char* area, double value) {
  std::vector<std::vector<std::string>> lines = {{"share", "edges", "metric", "faithfulness", "without"}};
  for (const CurvePoint& point : curve.points)
    lines.push_back({fixed(100.0 * point.share, 1) + " %", std::to_string(point.edges), value_text(point.metric),
                     value_text(point.faithfulness), value_text(point.without)});
  std::printf("\n%s (%s %s)\n%s", title, area, value_text(value).c_str(), aligned(lines).c_str());
}

void print_text(const CircuitOutcome& outcome) {
  const ScoredCircuit& circuit = outcome.circuit;
  const auto edges = ranked_edges(circuit);
  std::printf("%zu of %lld edges, %zu nodes; %s: model %s, nothing left %s, circuit %s (faithfulness %s)\n",
              edges.size(), static_cast<long long>(circuit.graph.edge_count()), node_names(circuit).size(),
              plain_text(circuit.metric).c_str(), value_text(outcome.clean).c_str(), value_text(outcome.empty).c_str(),
              value_text(outcome.metric).c_str(), value_text(outcome.faithfulness()).c_str());
  std::vector<std::vector<std::string>> lines = {{"edge", circuit.metric + " change"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(20, edges.size()); ++i)
    lines.push_back(
        {circuit.graph.edge_name(edges[i]), value_text(circuit.scores[static_cast<std::size_t>(edges[i])])});
  std::printf("%s", aligned(lines).c_str());
  if (outcome.by_signed) print_curve(*outcome.by_signed, "By signed importance", "CPR", outcome.by_signed->cpr);
  if (outcome.by_absolute) print_curve(*outcome.by_absolute, "By size", "CMD", outcome.by_absolute->cmd);
  if (outcome.acdc.empty()) return;
  lines = {{"threshold", "edges", circuit.metric}};
  for (const AcdcResult& result : outcome.acdc)
    lines.push_back({fixed(result.threshold, 6), std::to_string(result.circuit.size()), value_text(result.metric)});
  std::printf("\n%s", aligned(lines).c_str());
}

Status store_outcome(store::ResultWriter& writer, const Options& options, const Model& model, const PairSet& pairs,
                     const CircuitOutcome& outcome) {
  const CircuitOptions& circuit = options.circuit;
  HS_TRY(store_model(writer, model, options.model));
  store::Attributes used = option_attributes(options.pairs);
  used.insert(used.end(), {{"method", circuit.method},
                           {"steps", circuit.steps},
                           {"ablation", circuit.ablation},
                           {"metric", circuit.metric},
                           {"build", circuit.build},
                           {"top_n", circuit.top_n},
                           {"threshold", circuit.thresholds},
                           {"signed", circuit.signed_scores},
                           {"curve", circuit.curve},
                           {"scores", circuit.scores_file},
                           {"tokens_per_run", circuit.tokens_per_run}});
  HS_TRY(writer.set_options("circuit", used));
  HS_TRY(store_pairs(writer, model, pairs));
  return store_circuit(writer, outcome);
}

Status run(const Options& options, const Console& console) {
  if (options.model.model.empty())
    return make_error(ErrorCode::invalid_argument, "is required; see headscope circuit --help", {}, "--model");
  HS_ASSIGN(const CircuitPlan plan, plan_circuit(options.circuit));
  HS_TRY(store::check_part_name(options.circuit.name, {}, "--name"));
  HS_TRY(check_pair_set(options.pairs, plan.ablation == EdgeAblation::patch));
  HS_ASSIGN(auto writer, open_output(options.output, console, {static_cast<std::int64_t>(options.pairs.task.seed)}));
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const PairSet pairs, make_pair_set(*model, options.pairs,
                                               {plan.ablation == EdgeAblation::patch, needs_answers(plan.metric),
                                                needs_wrong(plan.metric)}));
  note_dropped(pairs.dropped, console);
  CircuitTask task;
  task.pairs = pairs.pairs;
  task.metric = plan.metric;
  task.ablation = plan.ablation;
  task.tokens_per_run = options.circuit.tokens_per_run;
  HS_TRY(warn_unspaced(engine, pairs.clean_rows(), pairs.unspaced, console));
  HS_ASSIGN(const CircuitOutcome outcome, find_circuit(engine, task, pairs.task, options.circuit, plan, console));
  finish_progress();
  if (!outcome.empty_note.empty()) console.warn(outcome.empty_note);
  if (const std::string note = outcome.vanishing_note(); !note.empty()) console.warn(note);
  const bool means = plan.ablation == EdgeAblation::mean || plan.ablation == EdgeAblation::mean_by_position;
  if (means && task.pairs.size() == 1)
    console.warn("the means that patched edges carry are over this one prompt itself; give several pairs");
  if (writer) HS_TRY(store_outcome(*writer, options, *model, pairs, outcome));
  if (console.json)
    console.print(to_json(outcome));
  else
    print_text(outcome);
  return finish_output(writer, options.output, console, outcome.complete);
}

void add_circuit_options(CLI::App& command, CircuitOptions& options) {
  command
      .add_option("--method", options.method, "eap, eap_ig_inputs, eap_ig_activations, clean_corrupted, exact or acdc")
      ->capture_default_str();
  command.add_option("--steps", options.steps, "Of the integrated gradients")
      ->capture_default_str()
      ->check(at_least(1));
  command
      .add_option("--ablation", options.ablation, "What a patched edge carries: patch, zero, mean, mean_by_position")
      ->capture_default_str();
  command.add_option("--metric", options.metric, metric_names())->capture_default_str();
  command.add_option("--build", options.build, "top_n, greedy or threshold")->capture_default_str();
  command.add_option("--top-n", options.top_n, "Edges of the circuit, before pruning")
      ->capture_default_str()
      ->check(at_least(0));
  command
      .add_option("--threshold", options.thresholds, "Least importance of an edge; of acdc one or several: 0.01,0.1")
      ->delimiter(',');
  command.add_flag("--signed", options.signed_scores, "Choose edges by signed importance, not by its size");
  command.add_flag("--curve", options.curve, "Also measure circuits of growing size: CPR and CMD");
  command.add_option("--scores", options.scores_file, "Take the scores of this result file instead of measuring");
  command.add_option("--name", options.name, "Of the graph in the file")->capture_default_str();
  command
      .add_option("--tokens-per-run", options.tokens_per_run, "Tokens that go through the model at once; 0: by memory")
      ->capture_default_str()
      ->check(at_least(0));
}

} // namespace

void add_circuit(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "circuit",
                                  "Find the circuit of a task: scores of edges, the best of them, how well they do",
                                  "headscope circuit --model smollm2 --ioi 8 --top-n 500 --out circuit.h5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  command->get_option("--model")->required(false); // compare and export need none
  add_pair_set_options(*command, options->pairs);
  add_circuit_options(*command, options->circuit);
  add_output_options(*command, options->output, false);
  add_circuit_benchmark(*command, commands);
  add_circuit_compare(*command, commands);
  add_circuit_export(*command, commands);
  command->callback([&commands, command, options] {
    if (!command->get_subcommands().empty()) return;
    commands.chosen = [options](const Console& console) { return run(*options, console); };
  });
}

} // namespace headscope::cli
