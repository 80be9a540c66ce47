// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "app/gui/engine/patch_job.h"
#include "core/base/result.h"

namespace headscope::gui {

struct FileState;

// Reads /patching/NAME of a result file as a map. For [layer, position, head], each cell of layer x position is that of
// the head that restores most. A job of the file thread.
Result<PatchMap> read_patching(FileState& state, const std::string& path, const std::string& name);

} // namespace headscope::gui
