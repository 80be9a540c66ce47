// SPDX-License-Identifier: GPL-3.0-or-later
// Adjusted heads (core/sweeps/head_adjustment.h) for the method, its cells and a reproduction: parses adjustments,
// makes the prompts of a task, and stores the group in a result file.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/prompts/tasks/task.h"
#include "core/store/result_file.h"
#include "core/sweeps/head_adjustment.h"

namespace headscope::methods {

// Parses `steer`, "HEADS=TOKENS" or "HEADS=TOKENS@SHARE" ("12.3,13.4=wrong@0.5"), and `scale`, "HEADS=FACTOR". A head
// in both gets one adjustment. Returns invalid_argument, naming the wrong text, also for a head steered or scaled
// twice.
Result<std::vector<HeadAdjustment>> parse_adjustments(const std::vector<std::string>& steer,
                                                      const std::vector<std::string>& scale, const ModelConfig& config);

// The clean prompts with the positions that the adjustments name. Returns unsupported for a prompt without them.
Result<std::vector<AdjustmentPrompt>> adjustment_prompts(const Tokenizer& tokenizer, const TaskSet& task,
                                                         const std::vector<HeadAdjustment>& adjustments);

std::string adjustment_text(const std::vector<HeadAdjustment>& adjustments); // "12.3=wrong 3.4*2"

// Stores FOLDER/logit_diff, accuracy, predicted and keys; `ids` are the prompts'.
Status store_adjustment(store::ResultWriter& writer, const std::string& folder, const std::vector<std::string>& ids,
                        const std::vector<AdjustmentPrompt>& prompts, const AdjustmentResult& result);

nlohmann::json to_json(const AdjustmentResult& result);
std::string adjustment_table(const AdjustmentResult& result);

} // namespace headscope::methods
