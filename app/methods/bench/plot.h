// SPDX-License-Identifier: GPL-3.0-or-later
// Draws growth runs: for each axis that was varied one picture of seconds and one of peak memory, with logarithmic
// axes.
#pragma once

#include <string>
#include <vector>

#include "app/methods/bench/growth.h"

namespace headscope::methods {

// Checks the path before any work. Returns invalid_argument for an ending that is not a picture's, unsupported in a
// build without Qt.
Status check_plot(const std::string& path);

// Draws "growth-tokens-seconds.svg", "growth-tokens-memory.svg", … for "growth.svg", with one line per run. Returns
// their paths.
Result<std::vector<std::string>> plot_growth(const std::vector<GrowthRun>& runs, const std::string& path,
                                             bool overwrite);

} // namespace headscope::methods
