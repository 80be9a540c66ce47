// SPDX-License-Identifier: GPL-3.0-or-later
// --shape beside the options of a model: random weights of a named shape in place of a file.
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
// `n_ctx`: positions that a random model needs at least.
Result<std::shared_ptr<const Model>> load_bench_model(const BenchModelOptions& options, const Context& context,
                                                      std::int64_t n_ctx);

} // namespace headscope::methods
