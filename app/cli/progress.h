// SPDX-License-Identifier: GPL-3.0-or-later
// Progress with the time that is left, on standard error: one line that is redrawn on a terminal, a plain line every
// few seconds otherwise. Work that ends within a second shows nothing.
#pragma once

#include "core/base/task.h"

namespace headscope::cli {

ProgressFn progress_display();
// Ends the line that is being redrawn, before something else is printed.
void finish_progress();

} // namespace headscope::cli
