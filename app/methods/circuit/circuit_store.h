// SPDX-License-Identifier: GPL-3.0-or-later
// What of a circuit goes into a result file.
#pragma once

#include "app/methods/circuit/circuit_run.h"
#include "core/store/result_file.h"

namespace headscope::methods {

// /graph/NAME with its curves.
Status store_circuit(store::ResultWriter& writer, const CircuitOutcome& outcome);

} // namespace headscope::methods
