// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/faithfulness.h"

#include <cmath>
#include <limits>

#include "core/model/guard.h"

namespace headscope {
namespace {

constexpr double unmeasured = std::numeric_limits<double>::quiet_NaN();

Status check(const ComputationalGraph& graph, const std::vector<double>& importance, const std::vector<double>& shares,
             const CurveOptions& options) {
  if (static_cast<std::int64_t>(importance.size()) != graph.edge_count())
    return make_error(ErrorCode::mismatch,
                      "there are " + std::to_string(importance.size()) + " scores, the model's graph has " +
                          std::to_string(graph.edge_count()) + " edges",
                      {}, "importance");
  if (options.rule == BuildRule::threshold)
    return make_error(ErrorCode::invalid_argument, "a curve over shares of edges needs top_n or greedy", {}, "build");
  double before = -1.0;
  for (const double share : shares) {
    if (!(share > before && share <= 1.0 && share >= 0.0))
      return make_error(ErrorCode::invalid_argument, "must increase from 0 to 1", {}, "shares");
    before = share;
  }
  return {};
}

double area(const std::vector<CurvePoint>& points, double (*height)(double)) {
  double sum = 0.0;
  for (std::size_t i = 1; i < points.size(); ++i)
    sum += (points[i].share - points[i - 1].share) *
           (height(points[i].faithfulness) + height(points[i - 1].faithfulness)) / 2.0;
  return sum;
}

} // namespace

const std::vector<double>& mib_shares() {
  static const std::vector<double> shares = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0};
  return shares;
}

Result<Curve> faithfulness_curve(const CircuitRunner& runner, const std::vector<double>& importance,
                                 const CurveOptions& options, const RunControl& context) {
  const ComputationalGraph& graph = runner.graph();
  const std::vector<double>& shares = options.shares.empty() ? mib_shares() : options.shares;
  HS_TRY(check(graph, importance, shares, options));
  Curve curve;
  curve.cpr = curve.cmd = unmeasured;
  HS_ASSIGN(curve.model, runner.metric(whole_circuit(graph), context.cancel));
  HS_ASSIGN(curve.empty, runner.metric(empty_circuit(graph), context.cancel));
  const double spread = curve.model - curve.empty;
  if (std::abs(spread) < 1e-6 * std::max(1.0, std::abs(curve.model)))
    return make_error(ErrorCode::mismatch,
                      "the metric is " + std::to_string(curve.model) +
                          " with and without every edge patched, so that no circuit can be told from another; choose "
                          "other corrupt prompts or another metric",
                      {}, "metric");
  for (const double share : shares) {
    CurvePoint point;
    point.share = share;
    point.asked = static_cast<std::int64_t>(share * static_cast<double>(graph.edge_count()));
    const Circuit circuit = build_circuit(graph, importance, {options.rule, point.asked, 0.0, options.absolute, true});
    point.edges = circuit.size();
    const auto metric = runner.metric(circuit, context.cancel);
    if (!metric.ok() && was_cancelled(metric.error())) return curve;
    HS_ASSIGN(point.metric, metric);
    point.faithfulness = (point.metric - curve.empty) / spread;
    point.without = unmeasured;
    if (options.completeness) {
      const auto rest = runner.metric(complement(circuit), context.cancel);
      if (!rest.ok() && was_cancelled(rest.error())) return curve;
      HS_ASSIGN(const double value, rest);
      point.without = (value - curve.empty) / spread;
    }
    curve.points.push_back(point);
    context.report("running circuits", static_cast<std::int64_t>(curve.points.size()),
                   static_cast<std::int64_t>(shares.size()));
  }
  curve.cpr = area(curve.points, [](double f) { return f; });
  curve.cmd = area(curve.points, [](double f) { return std::abs(1.0 - f); });
  curve.complete = true;
  return curve;
}

} // namespace headscope
