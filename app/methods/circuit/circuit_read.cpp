// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_read.h"

#include "core/store/result_file.h"

namespace headscope::methods {

Result<std::vector<ScoredCircuit>> read_circuits(const std::string& path, const std::string& name) {
  HS_ASSIGN(const auto reader, store::ResultReader::open(path));
  std::vector<std::string> names = {name};
  if (name.empty()) {
    HS_ASSIGN(names, reader.list("/graph"));
    if (names.empty()) return make_error(ErrorCode::not_found, "holds no graph", path, "/graph");
  }
  std::vector<ScoredCircuit> circuits;
  for (const std::string& each : names) {
    HS_ASSIGN(const store::Graph graph, reader.graph(each));
    auto circuit = from_store(graph);
    if (!circuit.ok()) return make_error(circuit.error().code, circuit.error().message, path, circuit.error().field);
    circuits.push_back(std::move(*circuit));
  }
  return circuits;
}

} // namespace headscope::methods
