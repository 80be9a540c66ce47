// SPDX-License-Identifier: GPL-3.0-or-later
// One pair of a generated task, as texts that can be typed. A job of the engine's thread.
#pragma once

#include <cstdint>
#include <string>

#include "app/gui/engine/patch_job.h"
#include "core/base/result.h"

namespace headscope::gui {

// The first right and the first wrong answer; the seed chooses the pair. Errors as of make_task().
Result<PatchPrompts> task_pair(const EngineState& state, const std::string& task, std::uint64_t seed);

} // namespace headscope::gui
