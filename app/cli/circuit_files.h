// SPDX-License-Identifier: GPL-3.0-or-later
// Commands on circuits that are in result files.
#pragma once

#include "app/cli/command.h"

namespace headscope::cli {

void add_circuit_compare(CLI::App& circuit, Commands& commands);
void add_circuit_export(CLI::App& circuit, Commands& commands);

} // namespace headscope::cli
