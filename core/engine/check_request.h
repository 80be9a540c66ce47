// SPDX-License-Identifier: GPL-3.0-or-later
// What the types of a request do not rule out.
#pragma once

#include "core/engine/hook_plan.h"

namespace headscope {

// The rows, slots and blocks of a run that can be; else what is wrong with which field. Hook points, heads and
// positions are HookPlan's to check.
Result<RunSpan> check_request(const RunRequest& request, const ModelConfig& config);
// What a differentiated run must be beyond that.
Status check_gradient_request(const GradientRequest& request);

// Rows of a group whose tensors have been checked.
std::int64_t row_count(const RowGroup& group, const RunSpan& span);

} // namespace headscope
