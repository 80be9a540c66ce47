// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/bench_model.h"

#include "app/methods/bench/random_model.h"

namespace headscope::methods {

void list_bench_model_options(OptionList& list, BenchModelOptions& options) {
  list_model_options(list, options.model);
  list.find("model")->required = false;
  list.add("shape", options.shape, "Random weights of a shape, made on the device: " + shape_names())
      .excluding("model");
}

Status check_bench_model(const BenchModelOptions& options) {
  if (!options.model.model.empty() || !options.shape.empty()) return {};
  return make_error(ErrorCode::invalid_argument, "is required, or --shape", {}, "--model");
}

Result<std::shared_ptr<const Model>> load_bench_model(const BenchModelOptions& options, const Context& context,
                                                      std::int64_t n_ctx) {
  if (options.shape.empty()) return load(options.model, context, false);
  HS_ASSIGN(const LoadOptions how, load_options(options.model, context));
  return random_model(options.shape, how, n_ctx);
}

} // namespace headscope::methods
