// SPDX-License-Identifier: GPL-3.0-or-later
// Runs the ablation sweep and stores effects as they are measured.
#pragma once

#include "app/methods/base/context.h"
#include "app/methods/inputs/prompt_set.h"
#include "core/store/result_file.h"
#include "core/sweeps/head_ablation.h"

namespace headscope::methods {

struct AblationTask : PromptSet {
  std::string name; // of the group in the file
  std::string folder = "/ablation/";
};

// The attributes and axes of /ablation/NAME.
store::AblationSpec ablation_spec(const Engine& engine, const AblationTask& task, const HeadAblationOptions& options);

// Stores the prompts that mean and resample take activations from, where these are not the ablated ones.
Status store_reference(store::ResultWriter& writer, const Engine& engine, const HeadAblationOptions& options);

// Stores /ablation/NAME/donors and /ablation/NAME/replaced of a resample ablation; nothing without donors.
Status store_donors(store::ResultWriter& writer, const AblationTask& task, const HeadAblationOptions& options,
                    const std::vector<std::int64_t>& donors, const std::vector<double>& replaced);

// `writer` may be null. A cancelled sweep gives a result that is not complete.
Result<HeadAblationResult> run_ablation(const Engine& engine, const AblationTask& task,
                                        const HeadAblationOptions& options, const Context& context,
                                        store::ResultWriter* writer);

} // namespace headscope::methods
