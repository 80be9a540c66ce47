// SPDX-License-Identifier: GPL-3.0-or-later
// Reads circuits of a result file.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/circuits/scored_circuit.h"

namespace headscope::methods {

// All graphs of the file, or the one of this name.
Result<std::vector<ScoredCircuit>> read_circuits(const std::string& path, const std::string& name);

} // namespace headscope::methods
