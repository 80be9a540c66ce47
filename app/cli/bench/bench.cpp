// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/bench/bench.h"

namespace headscope::cli {

void add_bench(CLI::App& app, Commands& commands) {
  CLI::App* bench = app.add_subcommand("bench", "Measure how fast Headscope is on this machine");
  bench->require_subcommand(1);
  add_bench_sweep(*bench, commands);
  add_bench_eap_ig(*bench, commands);
  add_bench_load(*bench, commands);
  add_bench_peak(*bench, commands);
  add_bench_growth(*bench, commands);
  add_bench_compare(*bench, commands);
}

} // namespace headscope::cli
