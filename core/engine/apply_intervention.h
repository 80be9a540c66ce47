// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/hook_plan.h"

namespace headscope {

// Changes `x` in place; it must be a tensor that the run owns, with the axes of the intervention's site.
// Throws ErrorException (mismatch) when the value does not fit.
void apply_intervention(const Intervention& intervention, const RunSpan& span, at::Tensor& x);

} // namespace headscope
