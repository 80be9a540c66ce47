// SPDX-License-Identifier: GPL-3.0-or-later
// Finding a circuit: scores, the circuit chosen by them, and how well it does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cli/command.h"
#include "core/circuits/acdc.h"
#include "core/circuits/edge_scores.h"
#include "core/circuits/faithfulness.h"
#include "core/circuits/scored_circuit.h"

namespace headscope::cli {

struct CircuitOptions {
  std::string method = "eap_ig_inputs"; // or acdc
  std::int64_t steps = 5;
  std::string ablation = "patch", metric = "logit_diff", build = "top_n";
  std::int64_t top_n = 200;
  std::vector<double> thresholds;          // one for `build = threshold`, any number for acdc
  bool signed_scores = false;              // choose by signed importance, not by its size
  bool curve = false, completeness = true; // the latter: of the curve, also the model without each circuit
  std::string scores_file;                 // take the scores of this result file
  std::string name = "circuit";
  std::int64_t tokens_per_run = 0;
};

// What can be said without the model. `-` in names of methods is read as `_`.
struct CircuitPlan {
  std::optional<ScoreMethod> method; // nothing: acdc
  EdgeAblation ablation = EdgeAblation::patch;
  MetricKind metric = MetricKind::logit_diff;
  BuildRule rule = BuildRule::top_n;
};
Result<CircuitPlan> plan_circuit(const CircuitOptions& options);

struct CircuitOutcome {
  ScoredCircuit circuit;
  double clean = 0.0, empty = 0.0, metric = 0.0; // of the model, of no edge, of the circuit; NaN: not measured
  std::optional<Curve> by_signed, by_absolute;
  std::vector<AcdcResult> acdc; // one a threshold
  std::string empty_note;       // why the circuit has no edge, and what would give one; else empty
  bool complete = false;

  double faithfulness() const { return (metric - empty) / (clean - empty); }
  // That the scores are no more than rounding, as where a gradient vanishes; else empty.
  std::string vanishing_note() const;
};

Result<CircuitOutcome> find_circuit(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                                    const CircuitOptions& options, const CircuitPlan& plan, const Console& console);

// Its steps, for who has the scores from elsewhere. Nothing measured yet:
CircuitOutcome begin_circuit(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                             const CircuitOptions& options, const CircuitPlan& plan);
// The circuit by the scores; not of acdc.
void choose_circuit(const CircuitOptions& options, const CircuitPlan& plan, CircuitOutcome& outcome);
// Chooses, or runs acdc, and measures.
Status finish_circuit(const CircuitRunner& runner, const CircuitOptions& options, const CircuitPlan& plan,
                      const Console& console, CircuitOutcome& outcome);
// What was found as attributes of the graph.
void describe_circuit(const CircuitOptions& options, const CircuitPlan& plan, CircuitOutcome& outcome);

} // namespace headscope::cli
