// SPDX-License-Identifier: GPL-3.0-or-later
// The method `ablate`: the effect of ablating each head alone, or a set of nodes at once (ablate_joint.h).
#pragma once

#include "app/methods/ablate/ablate_joint.h"
#include "app/methods/ablate/ablate_run.h"
#include "app/methods/base/method.h"
#include "app/methods/inputs/prompt_set.h"

namespace headscope::methods {

struct AblateOptions {
  PromptSetOptions prompts;
  std::string heads = "all";
  HeadAblationOptions sweep; // its heads and reference are found when the model is there
  std::string reference_file;
  std::vector<std::string> reference;
  std::int64_t prompts_per_cell = 4;
  JointOptions joint;
};

// The options of the method, but for its prompts; the window's sweep of every head has the same.
void list_ablate_options(OptionList& list, AblateOptions& options);

// The sweep with its heads and reference prompts.
Result<HeadAblationOptions> sweep_of(const AblateOptions& options, const Engine& engine);

std::unique_ptr<Cells> make_ablate_cells(const AblateOptions& options);
std::unique_ptr<Method> make_ablate();

} // namespace headscope::methods
