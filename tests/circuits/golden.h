// SPDX-License-Identifier: GPL-3.0-or-later
// The reference data of tests/golden/generate_circuits.py, and the models it was computed with.
#pragma once

#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/circuits/graph.h"
#include "core/circuits/task.h"

namespace headscope::test {

struct Golden {
  nlohmann::json data;
  Engine engine;
  ComputationalGraph graph;
  CircuitTask task;
};

inline Golden load_golden(const std::string& name) {
  at::set_num_threads(1); // the models are too small to share out
  std::ifstream in(std::string(HEADSCOPE_GOLDEN_DIR) + "/circuits/" + name + ".json");
  auto model = load_model(std::string(HEADSCOPE_GOLDEN_DIR) + "/models/" + name, {});
  if (!model.ok()) throw std::runtime_error(model.error().to_string());
  Golden golden{nlohmann::json::parse(in), Engine(*model), ComputationalGraph(graph_shape((*model)->config)), {}};
  for (const auto& pair : golden.data.at("pairs"))
    golden.task.pairs.push_back({pair.at("clean"), pair.at("corrupt"), {{pair.at("answer")}, {pair.at("wrong")}}});
  return golden;
}

// Reads {edge name: number} as [edge]; every edge must be there.
inline std::vector<double> edge_values(const ComputationalGraph& graph, const nlohmann::json& by_name) {
  EXPECT_EQ(static_cast<std::int64_t>(by_name.size()), graph.edge_count());
  std::vector<double> out(static_cast<std::size_t>(graph.edge_count()), NAN);
  for (const auto& [name, value] : by_name.items()) {
    const auto edge = graph.find_edge(name);
    if (!edge.ok()) throw std::runtime_error(edge.error().to_string());
    out[static_cast<std::size_t>(*edge)] = value.get<double>();
  }
  return out;
}

template <typename T> T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

} // namespace headscope::test
