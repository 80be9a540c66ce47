// SPDX-License-Identifier: GPL-3.0-or-later
// ACDC (Conmy et al. 2304.14997): goes from the logits to the input and removes an edge for good when the metric
// worsens by less than a threshold without it. Unlike scores, which judge each edge in the whole model, ACDC judges an
// edge in what is left of the model.
#pragma once

#include <vector>

#include "core/circuits/run_circuit.h"

namespace headscope {

struct AcdcResult {
  double threshold = 0.0;
  Circuit circuit;       // pruned
  double metric = 0.0;   // of the circuit
  std::int64_t runs = 0; // edges that were tried; those into parts that nothing reads are removed untried
  bool complete = false; // false when cancelled: the edges not yet tried are in the circuit
};

// Runs one forward pass of every pair for each edge that is tried. Worsening is in units of the metric; the paper uses
// kl_divergence.
Result<AcdcResult> acdc(const CircuitRunner& runner, double threshold, const RunControl& context = {});

// ACDC run once for each threshold. `strength` [edge] is the largest threshold at which the edge stayed, 0 for none: a
// ranking for faithfulness_curve().
struct AcdcSweep {
  std::vector<AcdcResult> results; // one a threshold, in the order given; fewer when cancelled
  std::vector<double> strength;
  bool complete = false;
};
// Returns invalid_argument for no thresholds or one that is not positive.
Result<AcdcSweep> acdc_sweep(const CircuitRunner& runner, const std::vector<double>& thresholds,
                             const RunControl& context = {});

} // namespace headscope
