// SPDX-License-Identifier: GPL-3.0-or-later
// The commands under `headscope bench`, each in the file of its name.
#pragma once

#include "app/cli/command.h"

namespace headscope::cli {

void add_bench_sweep(CLI::App& bench, Commands& commands);
void add_bench_load(CLI::App& bench, Commands& commands);
void add_bench_peak(CLI::App& bench, Commands& commands);
void add_bench_eap_ig(CLI::App& bench, Commands& commands);
void add_bench_growth(CLI::App& bench, Commands& commands);
void add_bench_compare(CLI::App& bench, Commands& commands);

} // namespace headscope::cli
