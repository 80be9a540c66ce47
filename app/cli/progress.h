// SPDX-License-Identifier: GPL-3.0-or-later
// Shows progress and the remaining time on standard error: one line that is redrawn on a terminal, otherwise a plain
// line every few seconds. Work that ends within a second shows nothing.
#pragma once

#include "core/base/run_control.h"

namespace headscope::cli {

ProgressFn progress_display();
// Ends the line that is being redrawn, before something else is printed.
void finish_progress();

} // namespace headscope::cli
