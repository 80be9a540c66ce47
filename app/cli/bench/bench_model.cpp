// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/bench/bench_model.h"

#include "app/cli/bench/random_model.h"

namespace headscope::cli {

void add_bench_model_options(CLI::App& command, BenchModelOptions& options) {
  add_model_options(command, options.model);
  CLI::Option* model = command.get_option("--model");
  model->required(false);
  command.add_option("--shape", options.shape, "Random weights of a shape, made on the device: " + shape_names())
      ->excludes(model);
}

Result<std::shared_ptr<const Model>> load_bench_model(const BenchModelOptions& options, const Console& console,
                                                      std::int64_t n_ctx) {
  if (options.model.model.empty() && options.shape.empty())
    return make_error(ErrorCode::invalid_argument, "is required, or --shape", {}, "--model");
  if (options.shape.empty()) return load(options.model, console, false);
  HS_ASSIGN(const LoadOptions how, load_options(options.model, console));
  return random_model(options.shape, how, n_ctx);
}

} // namespace headscope::cli
