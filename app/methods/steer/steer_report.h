// SPDX-License-Identifier: GPL-3.0-or-later
// Reports what the method `steer` found: as JSON, as a table, and in a result file.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/method.h"
#include "app/methods/inputs/prompt_set.h"
#include "core/store/result_file.h"
#include "core/sweeps/steering.h"

namespace headscope::methods {

// The continuations of a prompt without and with steering.
struct SteeredText {
  std::string prompt; // its id
  std::vector<std::int64_t> clean;
  std::vector<std::vector<std::int64_t>> steered; // a coefficient each
};

struct SteerOutcome {
  PromptSet prompts;
  Steering steering;
  SteeringOptions options;
  SteeringResult result;
  std::vector<SteeredText> texts;
  bool complete = true;
};

Report steer_report(const Model& model, const SteerOutcome& found);

// Stores /steering/vector [target, d], coefficients, clean [prompt], metric [coefficient, prompt], and the table texts.
Status store_steering(store::ResultWriter& writer, const Model& model, const SteerOutcome& found,
                      const Context& context);

} // namespace headscope::methods
