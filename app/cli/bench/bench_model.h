// SPDX-License-Identifier: GPL-3.0-or-later
// --shape beside the options of a model: random weights of a named shape in place of a file.
#pragma once

#include "app/cli/model_options.h"

namespace headscope::cli {

struct BenchModelOptions {
  ModelOptions model;
  std::string shape; // empty: model.model is loaded
};

void add_bench_model_options(CLI::App& command, BenchModelOptions& options);

// invalid_argument unless one of --model and --shape is given. `n_ctx`: positions that a random model needs at least.
Result<std::shared_ptr<const Model>> load_bench_model(const BenchModelOptions& options, const Console& console,
                                                      std::int64_t n_ctx);

} // namespace headscope::cli
