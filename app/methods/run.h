// SPDX-License-Identifier: GPL-3.0-or-later
// A method from its options to its result file: checks, loads the model, runs, reports, publishes.
#pragma once

#include <string>

#include "app/methods/base/method.h"
#include "app/methods/base/output.h"
#include "app/methods/inputs/model_options.h"

namespace headscope::methods {

// Everything that can be refused is refused before the model is loaded. cancelled after what was done is stored.
// A resumable run (resumable.h) reports only how far it is.
Status run_method(Method& method, const ModelOptions& model, const OutputOptions& output, const Context& context,
                  const Show& show);

// The same on an engine that is open already; `model` says how it was loaded.
Status run_method(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
                  const Context& context, const Show& show);

// An estimate takes the task among the inputs, and does not ask whether the others go with it.
enum class Checked : std::uint8_t { all, own_options };
// Options of a method within their bounds, and what the method itself can say without a model.
Status check_method(Method& method, Checked what = Checked::all);

// What the result says that the method was run with.
Status store_options(store::ResultWriter& writer, Method& method);

} // namespace headscope::methods
