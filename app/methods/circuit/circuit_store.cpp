// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_store.h"

namespace headscope::methods {
namespace {

store::Table table_of(const Curve& curve, const std::string& units) {
  std::vector<double> shares, metrics, faithfulness, without;
  std::vector<std::int64_t> edges;
  for (const CurvePoint& point : curve.points) {
    shares.push_back(point.share);
    edges.push_back(point.edges);
    metrics.push_back(point.metric);
    faithfulness.push_back(point.faithfulness);
    without.push_back(point.without);
  }
  return {{{"share", shares, "1", "share of all edges that were asked for"},
           {"edges", edges, "edge", "edges after pruning"},
           {"metric", metrics, units, "metric of the circuit"},
           {"faithfulness", faithfulness, "1", "(circuit - empty) / (model - empty)"},
           {"without", without, "1", "the same for the model without the circuit's edges"}},
          {{"cpr", curve.cpr}, {"cmd", curve.cmd}}};
}

} // namespace

Status store_circuit(store::ResultWriter& writer, const CircuitOutcome& outcome) {
  HS_TRY(writer.add_graph(to_store(outcome.circuit)));
  const std::string folder = "/graph/" + outcome.circuit.name;
  if (outcome.by_signed)
    HS_TRY(writer.add_table(folder + "/curve_signed", table_of(*outcome.by_signed, outcome.circuit.units)));
  if (outcome.by_absolute)
    HS_TRY(writer.add_table(folder + "/curve_absolute", table_of(*outcome.by_absolute, outcome.circuit.units)));
  return {};
}

} // namespace headscope::methods
