// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

#include "app/result_figures/masking_curve.h"

namespace headscope::gui {

struct FileState;

// Reads every masking experiment of a result file. A job of the file thread.
Result<std::vector<MaskingCurve>> read_maskings(FileState& state, const std::string& path);

} // namespace headscope::gui
