// SPDX-License-Identifier: GPL-3.0-or-later
// Measures how fast a model runs, for estimates.
#pragma once

#include "core/sweeps/sweep.h"

namespace headscope::methods {

// Seconds per token in one forward pass over these rows, after a warm-up pass.
Result<double> seconds_per_token(const Engine& engine, const TokenRows& rows, const CancelToken& cancel);

} // namespace headscope::methods
