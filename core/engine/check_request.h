// SPDX-License-Identifier: GPL-3.0-or-later
// Checks what the types of a request do not rule out.
#pragma once

#include "core/engine/hook_plan.h"

namespace headscope {

// Returns the rows, slots and blocks of a valid run; otherwise an error that names the wrong field. Hook points, heads
// and positions are HookPlan's to check.
Result<RunSpan> check_request(const RunRequest& request, const AttentionBackend& attention, const ModelConfig& config);
// Checks what a differentiated run must satisfy in addition.
Status check_gradient_request(const GradientRequest& request);

// The number of rows in a group whose tensors have been checked.
std::int64_t row_count(const RowGroup& group, const RunSpan& span);

} // namespace headscope
