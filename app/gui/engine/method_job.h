// SPDX-License-Identifier: GPL-3.0-or-later
// Runs any method on the open model, as its form asks for it. Jobs of the engine's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/gui/engine/model_job.h"
#include "app/gui/forms/method_request.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;

// The model that an answer is about, how it was loaded and how it attended.
struct AnsweredModel {
  std::string sha256; // empty: no model was needed
  std::string dtype, device;
  std::string plan = {}; // of attention; empty: full attention
  friend bool operator==(const AnsweredModel&, const AnsweredModel&) = default;
};

struct MethodAnswer {
  MethodRequest request;
  AnsweredModel model;
  std::string text, json; // the report; empty where nothing was measured
  std::vector<std::string> notes, warnings;
  std::string file;           // that was written; empty: none
  bool complete = false;      // false: cancelled, or an error
  std::optional<Error> error; // what went wrong, also where there is a report
};

// Errors are part of the answer, with everything reported until then.
Result<MethodAnswer> run_method(EngineState& state, const MethodRequest& request, const RunControl& control);

struct MethodEstimate {
  std::int64_t cells = 0;
  double forwards = 0.0, seconds = 0.0;
};

// Estimates the method's cost on the prompts of the request's task: its forward passes are counted, and one is timed.
// Returns unsupported for a method without cells, invalid_argument without a task where one is needed.
Result<MethodEstimate> estimate_method(const EngineState& state, const MethodRequest& request,
                                       const RunControl& control);

} // namespace headscope::gui
