// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "core/store/result_file.h"

namespace headscope::methods {
namespace {

constexpr double unmeasured = std::numeric_limits<double>::quiet_NaN();

ScoredCircuit described(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                        const CircuitOptions& options) {
  const Model& model = engine.model();
  ScoredCircuit out(graph_shape(model.config));
  out.name = options.name;
  out.task = task_name;
  out.metric = to_string(task.metric);
  out.method = name_of(options.method);
  out.ablation = to_string(task.ablation);
  out.lower_is_better = info(task.metric).lower_is_better;
  out.units = units_of(task.metric);
  out.model = model.identity.name;
  out.model_sha256 = model.identity.sha256();
  out.d_model = model.config.d_model;
  return out;
}

// The only graph of the file, or the one of this name.
Result<ScoredCircuit> stored_scores(const CircuitOptions& options, const ScoredCircuit& wanted) {
  HS_ASSIGN(const auto reader, store::ResultReader::open(options.scores_file));
  HS_ASSIGN(const auto names, reader.list("/graph"));
  if (names.empty()) return make_error(ErrorCode::not_found, "holds no graph", options.scores_file, "/graph");
  const bool named = std::find(names.begin(), names.end(), options.name) != names.end();
  HS_ASSIGN(const store::Graph graph, reader.graph(named ? options.name : names.front()));
  auto stored = from_store(graph);
  if (!stored.ok())
    return make_error(stored.error().code, stored.error().message, options.scores_file, stored.error().field);
  if (stored->graph.shape() != wanted.graph.shape() || stored->model_sha256 != wanted.model_sha256)
    return make_error(ErrorCode::mismatch,
                      "its scores are of " + stored->model + ", not of " + wanted.model + " as it is given",
                      options.scores_file, "model_sha256");
  return std::move(*stored);
}

Status score(const Engine& engine, const CircuitTask& task, const CircuitOptions& options, const Context& context,
             CircuitOutcome& out) {
  if (!options.scores_file.empty()) {
    HS_ASSIGN(const ScoredCircuit stored, stored_scores(options, out.circuit));
    out.circuit.scores = stored.scores;
    out.circuit.node_scores = stored.node_scores;
    out.circuit.method = stored.method;
    out.circuit.units = stored.units;
    // Flips the sign where the stored metric is better in the other direction, so that scores keep their meaning.
    if (stored.lower_is_better != out.circuit.lower_is_better)
      for (double& value : out.circuit.scores)
        value = -value;
    return {};
  }
  HS_ASSIGN(GraphScores scores,
            score_edges(engine, out.circuit.graph, task, {*options.score_method(), options.steps}, context.control()));
  out.circuit.scores = std::move(scores.edges);
  out.circuit.node_scores = std::move(scores.nodes);
  out.complete = scores.complete;
  return {};
}

Status run_acdc(const CircuitRunner& runner, const CircuitOptions& options, const Context& context,
                CircuitOutcome& out) {
  HS_ASSIGN(AcdcSweep sweep, acdc_sweep(runner, options.thresholds, context.control()));
  out.complete = sweep.complete;
  out.circuit.scores = sweep.strength;
  if (!out.circuit.lower_is_better) // a patched edge would make the metric worse by so much: lower
    for (double& value : out.circuit.scores)
      value = -value;
  if (!sweep.results.empty()) out.circuit.circuit = sweep.results.back().circuit;
  out.acdc = std::move(sweep.results);
  return {};
}

Status evaluate(const CircuitRunner& runner, const CircuitOptions& options, const Context& context,
                CircuitOutcome& out) {
  const CancelToken cancel = context.control().cancel;
  HS_ASSIGN(out.clean, runner.metric(whole_circuit(out.circuit.graph), cancel));
  HS_ASSIGN(out.empty, runner.metric(empty_circuit(out.circuit.graph), cancel));
  HS_ASSIGN(out.metric, runner.metric(out.circuit.circuit, cancel));
  if (!options.curve) return {};
  CurveOptions curve;
  curve.rule = options.build == BuildRule::greedy ? BuildRule::greedy : BuildRule::top_n;
  curve.completeness = options.completeness;
  curve.absolute = false;
  HS_ASSIGN(out.by_signed, faithfulness_curve(runner, out.circuit.importance(), curve, context.control()));
  curve.absolute = true;
  if (out.by_signed->complete) {
    HS_ASSIGN(out.by_absolute, faithfulness_curve(runner, out.circuit.importance(), curve, context.control()));
  }
  out.complete = out.by_absolute && out.by_absolute->complete;
  return {};
}

} // namespace

std::optional<ScoreMethod> CircuitOptions::score_method() const {
  if (method == CircuitMethod::acdc) return std::nullopt;
  return static_cast<ScoreMethod>(method);
}

Status check_circuit(const CircuitOptions& options) {
  const bool scored = options.method != CircuitMethod::acdc;
  if (!scored && options.thresholds.empty())
    return make_error(ErrorCode::invalid_argument, "acdc needs one or several, e.g. --threshold 0.01,0.1", {},
                      "--threshold");
  if (scored && options.build == BuildRule::threshold && options.thresholds.size() != 1)
    return make_error(ErrorCode::invalid_argument, "give exactly one with --build threshold", {}, "--threshold");
  if (!scored && !options.scores_file.empty())
    return make_error(ErrorCode::invalid_argument, "acdc takes no scores from a file", {}, "--scores");
  return {};
}

void describe_circuit(const CircuitOptions& options, CircuitOutcome& out) {
  store::Attributes& details = out.circuit.details;
  details = {{"build", std::string(options.score_method() ? to_string(options.build) : "acdc")},
             {"absolute", !options.signed_scores},
             {"circuit_edges", out.circuit.circuit.size()},
             {"clean", out.clean},
             {"empty", out.empty},
             {"circuit_metric", out.metric},
             {"faithfulness", out.faithfulness()}};
  if (!options.thresholds.empty()) details.push_back({"threshold", options.thresholds});
  if (!out.empty_note.empty()) details.push_back({"note", out.empty_note});
  if (const std::string note = out.vanishing_note(); !note.empty()) details.push_back({"scores_note", note});
  if (out.by_signed) details.push_back({"cpr", out.by_signed->cpr});
  if (out.by_absolute) details.push_back({"cmd", out.by_absolute->cmd});
}

CircuitOutcome begin_circuit(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                             const CircuitOptions& options) {
  return {described(engine, task, task_name, options), unmeasured, unmeasured, unmeasured, {}, {}, {}, {}, true};
}

namespace {

std::string why_empty(const CircuitOptions& options, const BuildOptions& build, const ScoredCircuit& circuit) {
  const std::string wanted = build.rule == BuildRule::threshold
                                 ? "the edges at or above the threshold"
                                 : "the " + std::to_string(options.top_n) + " edges that were asked for";
  BuildOptions top = build, greedy = build;
  top.rule = BuildRule::top_n;
  greedy.rule = BuildRule::greedy;
  const std::int64_t by_rank = first_connected(circuit.graph, circuit.importance(), top),
                     grown = first_connected(circuit.graph, circuit.importance(), greedy);
  std::string text = wanted + " form no path from the input to the logits, so pruning leaves none; ";
  if (by_rank == 0) return text + "no number of them does";
  return text + "the first connected circuit by --build top_n needs --top-n " + std::to_string(by_rank) +
         ", by --build greedy (grown from the logits) --top-n " + std::to_string(grown);
}

} // namespace

void choose_circuit(const CircuitOptions& options, CircuitOutcome& out) {
  BuildOptions build{options.build, options.top_n, 0.0, !options.signed_scores, true};
  if (options.build == BuildRule::threshold) build.threshold = options.thresholds.front();
  out.circuit.circuit = build_circuit(out.circuit.graph, out.circuit.importance(), build);
  if (out.circuit.circuit.size() == 0 && out.complete) out.empty_note = why_empty(options, build, out.circuit);
}

std::string CircuitOutcome::vanishing_note() const {
  double largest = 0.0;
  for (const double score : circuit.scores)
    if (std::isfinite(score)) largest = std::max(largest, std::abs(score));
  const double spread = std::abs(clean - empty);
  if (!(largest < 1e-4 * spread)) return {};
  std::ostringstream text;
  text.precision(2);
  text << "the largest score of an edge is " << largest << ", where model and empty circuit differ by " << spread
       << ": these scores are no more than rounding, and so is the choice of edges; the gradient of " << circuit.metric
       << " vanishes where " << circuit.method << " takes it. Use --method eap_ig_inputs or exact, or another metric";
  return text.str();
}

Status finish_circuit(const CircuitRunner& runner, const CircuitOptions& options, const Context& context,
                      CircuitOutcome& out) {
  if (options.score_method())
    choose_circuit(options, out);
  else
    HS_TRY(run_acdc(runner, options, context, out));
  if (out.complete) {
    const Status status = evaluate(runner, options, context, out);
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    out.complete = out.complete && status.ok();
  }
  describe_circuit(options, out);
  return {};
}

Result<CircuitOutcome> find_circuit(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                                    const CircuitOptions& options, const Context& context) {
  CircuitOutcome out = begin_circuit(engine, task, task_name, options);
  HS_ASSIGN(const CircuitRunner runner, CircuitRunner::create(engine, task, context.control()));
  if (options.score_method()) {
    HS_TRY(score(engine, task, options, context, out));
  }
  HS_TRY(finish_circuit(runner, options, context, out));
  return out;
}

} // namespace headscope::methods

namespace headscope {

template <> std::span<const Named<methods::CircuitMethod>> names_of<methods::CircuitMethod>() {
  using methods::CircuitMethod;
  static_assert(static_cast<int>(CircuitMethod::exact) == static_cast<int>(ScoreMethod::exact) &&
                static_cast<int>(CircuitMethod::clean_corrupted) == static_cast<int>(ScoreMethod::clean_corrupted));
  static const std::vector<Named<CircuitMethod>> names = [] {
    std::vector<Named<CircuitMethod>> all;
    for (const Named<ScoreMethod>& each : names_of<ScoreMethod>())
      all.push_back({static_cast<CircuitMethod>(each.value), each.name, each.what});
    all.push_back({CircuitMethod::acdc, "acdc",
                   "edges are patched for good, one after the other, where that costs less than the threshold"});
    return all;
  }();
  return names;
}

} // namespace headscope
