// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/acdc.h"

#include <algorithm>

#include "core/model/guard.h"

namespace headscope {

Result<AcdcResult> acdc(const CircuitRunner& runner, double threshold, const RunControl& context) {
  const ComputationalGraph& graph = runner.graph();
  AcdcResult out;
  out.threshold = threshold;
  out.circuit = whole_circuit(graph);
  HS_ASSIGN(double current, runner.metric(out.circuit, context.cancel));
  const double sign = info(runner.task().metric).lower_is_better ? 1.0 : -1.0;
  std::vector<std::uint8_t> read(graph.senders().size()); // by something that is in the circuit
  const auto read_by = [&](const Receiver& receiver) {
    for (int s = 0; s < receiver.reads; ++s)
      if (out.circuit.edges[static_cast<std::size_t>(receiver.first_edge + s)]) read[static_cast<std::size_t>(s)] = 1;
  };
  for (int r = static_cast<int>(graph.receivers().size()) - 1; r >= 0; --r) {
    const Receiver& receiver = graph.receivers()[static_cast<std::size_t>(r)];
    const std::vector<int> fed = graph.fed_by(r);
    const bool wanted = receiver.kind == ReceiverKind::logits ||
                        std::any_of(fed.begin(), fed.end(), [&](int s) { return read[static_cast<std::size_t>(s)]; });
    for (int s = receiver.reads - 1; s >= 0; --s) {
      std::uint8_t& edge = out.circuit.edges[static_cast<std::size_t>(receiver.first_edge + s)];
      edge = 0;
      if (!wanted) continue;
      const auto without = runner.metric(out.circuit, context.cancel);
      if (!without.ok() && !was_cancelled(without.error())) return without.error();
      if (!without.ok()) {
        edge = 1;
        out.metric = current;
        return out;
      }
      ++out.runs;
      if (sign * (*without - current) < threshold)
        current = *without;
      else
        edge = 1;
    }
    read_by(receiver);
    context.report("removing edges", graph.edge_count() - receiver.first_edge, graph.edge_count());
  }
  out.circuit = prune(graph, out.circuit);
  HS_ASSIGN(out.metric, runner.metric(out.circuit, context.cancel));
  out.complete = true;
  return out;
}

Result<AcdcSweep> acdc_sweep(const CircuitRunner& runner, const std::vector<double>& thresholds,
                             const RunControl& context) {
  if (thresholds.empty()) return make_error(ErrorCode::invalid_argument, "there are none", {}, "thresholds");
  for (const double threshold : thresholds)
    if (!(threshold > 0.0)) return make_error(ErrorCode::invalid_argument, "must be positive", {}, "thresholds");
  AcdcSweep sweep;
  sweep.strength.assign(static_cast<std::size_t>(runner.graph().edge_count()), 0.0);
  for (const double threshold : thresholds) {
    auto found = acdc(runner, threshold, context);
    if (!found.ok() && was_cancelled(found.error())) return sweep;
    HS_ASSIGN(AcdcResult result, std::move(found));
    const bool complete = result.complete;
    if (complete)
      for (std::size_t e = 0; e < sweep.strength.size(); ++e)
        if (result.circuit.edges[e]) sweep.strength[e] = std::max(sweep.strength[e], threshold);
    sweep.results.push_back(std::move(result));
    if (!complete) return sweep;
  }
  sweep.complete = true;
  return sweep;
}

} // namespace headscope
