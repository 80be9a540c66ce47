// SPDX-License-Identifier: GPL-3.0-or-later
// What is done with circuits that are in result files.
#pragma once

#include <string>
#include <vector>

#include "app/cli/command.h"
#include "core/circuits/scored_circuit.h"

namespace headscope::cli {

// All graphs of the file, or the one of this name.
Result<std::vector<ScoredCircuit>> read_circuits(const std::string& path, const std::string& name);

void add_circuit_compare(CLI::App& circuit, Commands& commands);
void add_circuit_export(CLI::App& circuit, Commands& commands);

} // namespace headscope::cli
