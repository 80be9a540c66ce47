// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_store.h"

#include "core/store/column_values.h"

namespace headscope::methods {
namespace {

store::Table table_of(const Curve& curve, const std::string& units) {
  const auto column = [&](auto member) { return store::column_values(curve.points, member); };
  return {{{"share", column(&CurvePoint::share), "1", "share of all edges that were asked for"},
           {"edges", column(&CurvePoint::edges), "edge", "edges after pruning"},
           {"metric", column(&CurvePoint::metric), units, "metric of the circuit"},
           {"faithfulness", column(&CurvePoint::faithfulness), "1", "(circuit - empty) / (model - empty)"},
           {"without", column(&CurvePoint::without), "1", "the same for the model without the circuit's edges"}},
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
