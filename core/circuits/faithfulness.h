// SPDX-License-Identifier: GPL-3.0-or-later
// Faithfulness: how well circuits of growing size reproduce the model's metric.
#pragma once

#include <cstdint>
#include <vector>

#include "core/circuits/run_circuit.h"

namespace headscope {

// The shares of edges at which the MIB benchmark (Mueller et al. 2504.13151) measures circuits.
const std::vector<double>& mib_shares();

struct CurveOptions {
  BuildRule rule = BuildRule::top_n; // top_n or greedy
  bool absolute = true;              // edges by |importance|; false: by signed importance
  std::vector<double> shares;        // of all edges, increasing, at most 1; empty: mib_shares()
  bool completeness = false;         // also run the model without each circuit
};

struct CurvePoint {
  double share = 0.0;
  std::int64_t asked = 0; // edges: share of all, rounded down
  std::int64_t edges = 0; // what pruning left of them
  double metric = 0.0;
  double faithfulness = 0.0; // (circuit - empty) / (model - empty)
  double without = 0.0; // faithfulness of all edges but the circuit's: 0 when the circuit is complete; NaN: not asked
};

struct Curve {
  double model = 0.0, empty = 0.0; // metric with no edge and with every edge patched (the corrupt run)
  std::vector<CurvePoint> points;
  // Areas by the trapezoidal rule from the first share to the last. CPR is the area under the faithfulness, meant for
  // the signed order; CMD that under |1 - faithfulness|, for the absolute one.
  double cpr = 0.0, cmd = 0.0;
  bool complete = false; // false when cancelled; then cpr and cmd are NaN
};

// `importance` [edge] is that of importance_of(). Returns mismatch when the model does no better than the empty
// circuit.
Result<Curve> faithfulness_curve(const CircuitRunner& runner, const std::vector<double>& importance,
                                 const CurveOptions& options, const RunControl& context = {});

} // namespace headscope
