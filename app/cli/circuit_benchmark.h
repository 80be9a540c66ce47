// SPDX-License-Identifier: GPL-3.0-or-later
// All methods of circuit discovery on one task beside random circuits, by the two numbers of the MIB benchmark.
#pragma once

#include "app/cli/command.h"

namespace headscope::cli {

void add_circuit_benchmark(CLI::App& circuit, Commands& commands);

} // namespace headscope::cli
