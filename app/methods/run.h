// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a method from its options to its result file: checks, loads the model, runs, reports, publishes.
#pragma once

#include <string>

#include "app/methods/base/method.h"
#include "app/methods/base/output.h"
#include "app/methods/inputs/model_options.h"

namespace headscope::methods {

// Everything that can be refused is refused before the model is loaded. When cancelled, first stores what was done. A
// resumable run (resumable.h) reports only how far it is.
Status run_method(Method& method, const ModelOptions& model, const OutputOptions& output, const Context& context,
                  const Show& show);

// The same on an open engine; `model` says how it was loaded.
Status run_method(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
                  const Context& context, const Show& show);

// What is checked. An estimate uses only the task among the inputs, and ignores whether the others agree with it.
enum class Checked : std::uint8_t { all, own_options };
// Checks that options are within their bounds, and what the method itself can check without a model.
Status check_method(Method& method, Checked what = Checked::all);

// Stores the options that the method was run with.
Status store_options(store::ResultWriter& writer, Method& method);

} // namespace headscope::methods
