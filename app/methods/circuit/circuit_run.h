// SPDX-License-Identifier: GPL-3.0-or-later
// Finds a circuit: scores edges, chooses the circuit by them, and measures its faithfulness.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "core/circuits/acdc.h"
#include "core/circuits/edge_scores.h"
#include "core/circuits/faithfulness.h"
#include "core/circuits/scored_circuit.h"
#include "core/vocabulary/circuits.h"
#include "core/vocabulary/metric.h"

namespace headscope::methods {

// How a circuit is found: edges are scored, with ScoreMethod's values, or removed one after the other (acdc).
enum class CircuitMethod : std::uint8_t { exact, eap, eap_ig_inputs, eap_ig_activations, clean_corrupted, acdc };

} // namespace headscope::methods

namespace headscope {
template <> std::span<const Named<methods::CircuitMethod>> names_of<methods::CircuitMethod>();
} // namespace headscope

namespace headscope::methods {

struct CircuitOptions {
  CircuitMethod method = CircuitMethod::eap_ig_inputs;
  std::int64_t steps = 5;
  EdgeAblation ablation = EdgeAblation::patch;
  MetricKind metric = MetricKind::logit_diff;
  BuildRule build = BuildRule::top_n;
  std::int64_t top_n = 200;
  std::vector<double> thresholds;          // one for `build = threshold`, any number for acdc
  bool signed_scores = false;              // choose by signed importance, not by its size
  bool curve = false, completeness = true; // the latter: of the curve, also the model without each circuit
  std::string scores_file;                 // use the scores of this result file
  std::string name = "circuit";
  std::int64_t tokens_per_run = 0;

  std::optional<ScoreMethod> score_method() const; // nothing: acdc
};

// Checks the options without the model.
Status check_circuit(const CircuitOptions& options);

struct CircuitOutcome {
  ScoredCircuit circuit;
  double clean = 0.0, empty = 0.0, metric = 0.0; // of the model, of no edge, of the circuit; NaN: not measured
  std::optional<Curve> by_signed, by_absolute;
  std::vector<AcdcResult> acdc; // one a threshold
  std::string empty_note;       // why the circuit has no edge, and what would give one; else empty
  bool complete = false;

  double faithfulness() const { return (metric - empty) / (clean - empty); }
  // Warns that the scores are no more than rounding, as where a gradient vanishes; otherwise empty.
  std::string vanishing_note() const;
};

Result<CircuitOutcome> find_circuit(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                                    const CircuitOptions& options, const Context& context);

// The steps of find_circuit(), for callers that have scores from elsewhere. The first starts with nothing measured.
CircuitOutcome begin_circuit(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                             const CircuitOptions& options);
// Chooses the circuit by the scores; not used for acdc.
void choose_circuit(const CircuitOptions& options, CircuitOutcome& outcome);
// Chooses the circuit, or runs acdc, and measures it.
Status finish_circuit(const CircuitRunner& runner, const CircuitOptions& options, const Context& context,
                      CircuitOutcome& outcome);
// Adds what was found as attributes of the graph.
void describe_circuit(const CircuitOptions& options, CircuitOutcome& outcome);

} // namespace headscope::methods
