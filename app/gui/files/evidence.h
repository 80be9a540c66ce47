// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the evidence behind a detector's scores in a result file. A job of the file thread.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::gui {

struct FileState;

// Returns scores, findings, prompts and tables as the detector gave them, without further maps (these are on the score
// board).
// The prompts are those whose names begin with the detector's.
Result<DetectorResult> read_evidence(FileState& state, const std::string& path, const std::string& detector,
                                     const RunControl& control);

} // namespace headscope::gui
