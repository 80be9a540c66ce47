// SPDX-License-Identifier: GPL-3.0-or-later
// Growth runs as pictures: for each axis that was varied one of seconds and one of peak memory, both axes logarithmic.
#pragma once

#include <string>
#include <vector>

#include "app/methods/bench/growth.h"

namespace headscope::methods {

// Before any work: invalid_argument for an ending that is no picture's, unsupported in a build without Qt.
Status check_plot(const std::string& path);

// "growth.svg" gives "growth-tokens-seconds.svg", "growth-tokens-memory.svg", …; one line a run. Returns their paths.
Result<std::vector<std::string>> plot_growth(const std::vector<GrowthRun>& runs, const std::string& path,
                                             bool overwrite);

} // namespace headscope::methods
