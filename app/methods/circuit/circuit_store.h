// SPDX-License-Identifier: GPL-3.0-or-later
// Stores a circuit in a result file.
#pragma once

#include "app/methods/circuit/circuit_run.h"
#include "core/store/result_file.h"

namespace headscope::methods {

// Stores /graph/NAME with its curves.
Status store_circuit(store::ResultWriter& writer, const CircuitOutcome& outcome);

} // namespace headscope::methods
