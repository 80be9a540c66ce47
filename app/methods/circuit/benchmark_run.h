// SPDX-License-Identifier: GPL-3.0-or-later
// What `circuit benchmark` measures and reports.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/methods/circuit/circuit_run.h"

namespace headscope::methods {

// The methods, each with the name of its graph ("eap-zero"); their ablation is used only for scoring.
struct BenchmarkPlan {
  std::vector<CircuitOptions> methods;
  std::int64_t random_circuits = 5;
  BuildRule random_rule = BuildRule::top_n;
};

struct ScoredMethod {
  CircuitOutcome outcome;
  double seconds = 0.0; // of scoring
};

struct Benchmark {
  std::string task, metric;
  std::int64_t pairs = 0, graph_edges = 0;
  std::vector<ScoredMethod> methods;
  std::vector<Curve> random; // one a seed
  bool complete = false;
};

Result<Benchmark> run_benchmark(const Engine& engine, const CircuitTask& task, const std::string& task_name,
                                const BenchmarkPlan& plan, const Context& context);

nlohmann::json to_json(const Benchmark& found);
// The report as text; `form` is text, markdown or csv.
std::string text_of(const Benchmark& found, const std::string& form);

} // namespace headscope::methods
