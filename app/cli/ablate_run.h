// SPDX-License-Identifier: GPL-3.0-or-later
// The ablation sweep with its effects stored as they are measured.
#pragma once

#include "app/cli/command.h"
#include "app/cli/result_output.h"
#include "core/analysis/head_ablation.h"

namespace headscope::cli {

struct AblationTask {
  std::string name; // of the group in the file
  std::vector<AblationPrompt> prompts;
  std::vector<std::string> ids;          // of the prompts
  std::vector<std::string> dropped = {}; // pairs of the task that do not align, by reason
};

// What /ablation/NAME says about itself.
store::AblationSpec ablation_spec(const Engine& engine, const AblationTask& task, const HeadAblationOptions& options);

// writer may be null. A cancelled sweep is a result that is not complete.
Result<HeadAblationResult> run_ablation(const Engine& engine, const AblationTask& task,
                                        const HeadAblationOptions& options, const Console& console,
                                        store::ResultWriter* writer);

} // namespace headscope::cli
