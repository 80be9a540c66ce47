// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_report.h"

#include <algorithm>
#include <cmath>

#include "app/methods/base/values.h"
#include "core/base/plain_text.h"

namespace headscope::methods {
namespace {

// The edges of the circuit, the most important first.
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

} // namespace

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

namespace {

std::string curve_text(const Curve& curve, const char* title, const char* area, double value) {
  std::vector<std::vector<std::string>> lines = {{"share", "edges", "metric", "faithfulness", "without"}};
  for (const CurvePoint& point : curve.points)
    lines.push_back({fixed(100.0 * point.share, 1) + " %", std::to_string(point.edges), value_text(point.metric),
                     value_text(point.faithfulness), value_text(point.without)});
  return printed("\n%s (%s %s)\n", title, area, value_text(value).c_str()) + aligned(lines);
}

std::string summary(const CircuitOutcome& outcome, std::size_t edges) {
  const ScoredCircuit& circuit = outcome.circuit;
  return printed("%zu of %lld edges, %zu nodes; %s: model %s, nothing left %s, circuit %s (faithfulness %s)\n", edges,
                 static_cast<long long>(circuit.graph.edge_count()), node_names(circuit).size(),
                 plain_text(circuit.metric).c_str(), value_text(outcome.clean).c_str(),
                 value_text(outcome.empty).c_str(), value_text(outcome.metric).c_str(),
                 value_text(outcome.faithfulness()).c_str());
}

} // namespace

std::string text_of(const CircuitOutcome& outcome) {
  const ScoredCircuit& circuit = outcome.circuit;
  const auto edges = ranked_edges(circuit);
  std::vector<std::vector<std::string>> lines = {{"edge", circuit.metric + " change"}};
  for (std::size_t i = 0; i < std::min<std::size_t>(20, edges.size()); ++i)
    lines.push_back(
        {circuit.graph.edge_name(edges[i]), value_text(circuit.scores[static_cast<std::size_t>(edges[i])])});
  std::string text = summary(outcome, edges.size()) + aligned(lines);
  if (outcome.by_signed) text += curve_text(*outcome.by_signed, "By signed importance", "CPR", outcome.by_signed->cpr);
  if (outcome.by_absolute) text += curve_text(*outcome.by_absolute, "By size", "CMD", outcome.by_absolute->cmd);
  if (outcome.acdc.empty()) return text;
  lines = {{"threshold", "edges", circuit.metric}};
  for (const AcdcResult& result : outcome.acdc)
    lines.push_back({fixed(result.threshold, 6), std::to_string(result.circuit.size()), value_text(result.metric)});
  return text + "\n" + aligned(lines);
}

} // namespace headscope::methods
