// SPDX-License-Identifier: GPL-3.0-or-later
// How fast a model runs, for estimates.
#pragma once

#include "core/sweeps/sweep.h"

namespace headscope::methods {

// Seconds a token, of one forward pass over these rows, after one that warms up.
Result<double> seconds_per_token(const Engine& engine, const TokenRows& rows, const CancelToken& cancel);

} // namespace headscope::methods
