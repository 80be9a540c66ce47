// SPDX-License-Identifier: GPL-3.0-or-later
// Reports of a benchmark of circuits.
#include <cmath>
#include <limits>

#include "app/methods/base/values.h"
#include "app/methods/circuit/benchmark_run.h"

namespace headscope::methods {
namespace {

struct Spread {
  double mean = 0.0, low = 0.0, high = 0.0;
};

// The spread of the areas; NaN without curves.
Spread spread_of(const std::vector<Curve>& curves, double Curve::*area) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  Spread out{curves.empty() ? none : 0.0, none, none};
  for (const Curve& curve : curves) {
    out.mean += curve.*area / static_cast<double>(curves.size());
    out.low = std::fmin(out.low, curve.*area); // of a NaN and a number, the number
    out.high = std::fmax(out.high, curve.*area);
  }
  return out;
}

nlohmann::json to_json(const Spread& spread) {
  return {{"mean", number(spread.mean)}, {"low", number(spread.low)}, {"high", number(spread.high)}};
}

nlohmann::json faithfulness_of(const Curve& curve) {
  nlohmann::json out = nlohmann::json::array();
  for (const CurvePoint& point : curve.points)
    out.push_back(number(point.faithfulness));
  return out;
}

} // namespace

nlohmann::json to_json(const Benchmark& found) {
  nlohmann::json methods = nlohmann::json::array(), circuits = nlohmann::json::array();
  for (const ScoredMethod& each : found.methods) {
    const CircuitOutcome& out = each.outcome;
    methods.push_back({{"method", out.circuit.method},
                       {"ablation", out.circuit.ablation},
                       {"cpr", number(out.by_signed->cpr)},
                       {"cmd", number(out.by_absolute->cmd)},
                       {"seconds", each.seconds},
                       {"signed", faithfulness_of(*out.by_signed)},
                       {"absolute", faithfulness_of(*out.by_absolute)}});
  }
  for (const Curve& curve : found.random)
    circuits.push_back(
        {{"cpr", number(curve.cpr)}, {"cmd", number(curve.cmd)}, {"faithfulness", faithfulness_of(curve)}});
  return {{"task", found.task},
          {"metric", found.metric},
          {"pairs", found.pairs},
          {"graph_edges", found.graph_edges},
          {"shares", mib_shares()},
          {"methods", methods},
          {"random",
           {{"cpr", to_json(spread_of(found.random, &Curve::cpr))},
            {"cmd", to_json(spread_of(found.random, &Curve::cmd))},
            {"circuits", circuits}}},
          {"complete", found.complete}};
}

namespace {

using Lines = std::vector<std::vector<std::string>>;

std::string text_of(const Spread& spread) {
  return fixed(spread.mean, 3) + " (" + fixed(spread.low, 3) + " to " + fixed(spread.high, 3) + ")";
}

// The table has no times, so that it is the same on every machine.
Lines table_of(const Benchmark& found) {
  Lines lines = {{"method", "patched while scoring", "CPR", "CMD"}};
  if (!found.random.empty())
    lines.push_back({"random, " + std::to_string(found.random.size()) + " orders", "",
                     text_of(spread_of(found.random, &Curve::cpr)), text_of(spread_of(found.random, &Curve::cmd))});
  for (const ScoredMethod& each : found.methods)
    lines.push_back({each.outcome.circuit.method, each.outcome.circuit.ablation, fixed(each.outcome.by_signed->cpr, 3),
                     fixed(each.outcome.by_absolute->cmd, 3)});
  return lines;
}

Lines csv_of(const Benchmark& found) {
  Lines lines = {{"method", "ablation", "cpr", "cpr_low", "cpr_high", "cmd", "cmd_low", "cmd_high", "seconds"}};
  const auto digits = [](double value) { return fixed(value, 6); };
  if (!found.random.empty()) {
    const Spread cpr = spread_of(found.random, &Curve::cpr), cmd = spread_of(found.random, &Curve::cmd);
    lines.push_back({"random", "", digits(cpr.mean), digits(cpr.low), digits(cpr.high), digits(cmd.mean),
                     digits(cmd.low), digits(cmd.high), ""});
  }
  for (const ScoredMethod& each : found.methods)
    lines.push_back({each.outcome.circuit.method, each.outcome.circuit.ablation, digits(each.outcome.by_signed->cpr),
                     "", "", digits(each.outcome.by_absolute->cmd), "", "", digits(each.seconds)});
  return lines;
}

std::string joined(const Lines& lines, const std::string& before, const std::string& between,
                   const std::string& after) {
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i)
      out += (i == 0 ? before : between) + line[i];
    out += after + "\n";
  }
  return out;
}

} // namespace

std::string text_of(const Benchmark& found, const std::string& form) {
  if (form == "csv") return joined(csv_of(found), "", ",", "");
  Lines lines = table_of(found);
  if (form == "markdown") {
    lines.insert(lines.begin() + 1, {"---", "---", "--:", "--:"});
    return joined(lines, "| ", " | ", " |");
  }
  return printed("%s, %lld pairs, %s; %lld edges\n", found.task.c_str(), static_cast<long long>(found.pairs),
                 found.metric.c_str(), static_cast<long long>(found.graph_edges)) +
         aligned(lines);
}

} // namespace headscope::methods
