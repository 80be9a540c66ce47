// SPDX-License-Identifier: GPL-3.0-or-later
// What ablating each head alone changes, on the prompts of a request of the method `ablate`, as it is measured. A job
// of the engine's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/gui/engine/method_job.h"
#include "app/gui/forms/command_text.h"

namespace headscope::gui {

struct HeadSweep {
  MethodRequest request; // with the answers that were taken; without a command line where none says the same
  AnsweredModel model;
  std::string metric, units, method, answer, wrong; // answer and wrong of one prompt, as text
  std::int64_t n_prompts = 0;
  int n_layers = 0, n_heads = 0;
  std::vector<double> clean;   // the metric with nothing ablated [prompt]
  std::vector<double> effects; // with the head ablated minus that [prompt, layer, head]; NaN: not measured
  std::vector<std::string> notes, warnings;
  bool complete = false; // false: cancelled; what was measured until then is kept

  // Of each head over the prompts that were measured [layer, head]; NaN where none was.
  std::vector<double> mean_effects() const;
};

struct SweepRequest {
  MethodRequest method; // of `ablate`; of one prompt without answers these are the clean run's two likeliest
  CommandModel model;   // how the command line names the open one
  std::vector<std::int64_t> tokens;       // of the prompt in force; empty: the request has a task or a file
  std::shared_ptr<const HeadSweep> begun; // of the same request, to go on from; null: none
};

// The numbers of `headscope ablate`, by the same call: the very same where nothing was begun, the same but for the
// rounding of other batches where something was. `partial` gets what there is about ten times a second.
Result<HeadSweep> sweep_heads(EngineState& state, const SweepRequest& request, const RunControl& control,
                              const std::function<void(HeadSweep)>& partial);

} // namespace headscope::gui
