// SPDX-License-Identifier: GPL-3.0-or-later
// The method `circuit`: scores edges, takes the best of them as a circuit, and measures its faithfulness.
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/circuit/circuit_run.h"
#include "app/methods/inputs/pair_set.h"

namespace headscope::methods {

struct CircuitMethodOptions {
  PairSetOptions pairs;
  CircuitOptions circuit;
};

std::unique_ptr<Cells> make_circuit_cells(const CircuitMethodOptions& options);
std::unique_ptr<Method> make_circuit();

} // namespace headscope::methods
