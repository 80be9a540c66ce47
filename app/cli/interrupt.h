// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/run_control.h"

namespace headscope::cli {

// Makes the first Ctrl-C (or SIGTERM) cancel interrupt_token(), so that work stops at the next layer and finished work
// is kept; the second ends the program at once.
void catch_interrupts();
CancelToken interrupt_token();
bool interrupted();

} // namespace headscope::cli
