// SPDX-License-Identifier: GPL-3.0-or-later
// The ablation sweep with its effects stored as they are measured.
#pragma once

#include "app/cli/command.h"
#include "app/cli/result_output.h"
#include "core/analysis/head_ablation.h"
#include "core/analysis/leading_space.h"

namespace headscope::cli {

struct AblationTask {
  std::string name; // of the group in the file
  std::vector<AblationPrompt> prompts;
  std::vector<std::string> ids;          // of the prompts
  std::vector<std::string> dropped = {}; // pairs of the task that do not align, by reason
  std::vector<UnspacedAnswer> unspaced = {};

  TokenRows rows() const;
};

// Warns of answers that the model would write with a space before them.
Status warn_unspaced(const Engine& engine, const TokenRows& prompts, const std::vector<UnspacedAnswer>& answers,
                     const Console& console);

// What /ablation/NAME says about itself.
store::AblationSpec ablation_spec(const Engine& engine, const AblationTask& task, const HeadAblationOptions& options);

// Of resample: /ablation/NAME/donors and /ablation/NAME/replaced. Nothing without donors.
Status store_donors(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                    const std::vector<std::int64_t>& donors, const std::vector<double>& replaced);

// writer may be null. A cancelled sweep is a result that is not complete.
Result<HeadAblationResult> run_ablation(const Engine& engine, const AblationTask& task,
                                        const HeadAblationOptions& options, const Console& console,
                                        store::ResultWriter* writer);

} // namespace headscope::cli
