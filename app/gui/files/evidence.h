// SPDX-License-Identifier: GPL-3.0-or-later
// What stands behind a detector's scores in a result file. A job of the file thread.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/base/task.h"
#include "plugins/sdk/detector_result.h"

namespace headscope::gui {

struct FileState;

// Scores, findings, prompts and tables as the detector gave them; no further maps (they are on the score board).
// The prompts are those whose names begin with the detector's.
Result<DetectorResult> read_evidence(FileState& state, const std::string& path, const std::string& detector,
                                     const TaskContext& task);

} // namespace headscope::gui
