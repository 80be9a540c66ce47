// SPDX-License-Identifier: GPL-3.0-or-later
// Adds --shape to the options of a model: random weights of a named shape instead of a file.
#pragma once

#include "app/methods/inputs/model_options.h"

namespace headscope::methods {

struct BenchModelOptions {
  ModelOptions model;
  std::string shape; // empty: model.model is loaded
};

void list_bench_model_options(OptionList& list, BenchModelOptions& options);

// Returns invalid_argument unless one of --model and --shape is given.
Status check_bench_model(const BenchModelOptions& options);
// Loads the model; `n_ctx` is how many positions a random model needs at least.
Result<std::shared_ptr<const Model>> load_bench_model(const BenchModelOptions& options, const Context& context,
                                                      std::int64_t n_ctx);

} // namespace headscope::methods
