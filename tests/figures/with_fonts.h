// SPDX-License-Identifier: GPL-3.0-or-later
// Qt for tests that lay out figures.
#pragma once

#include "app/figures/runtime.h"

namespace headscope::figures {

// Made once per process and never destroyed, since the cases of a program share it.
inline void with_fonts() {
  static const FigureRuntime* runtime = new FigureRuntime;
  (void)runtime;
}

} // namespace headscope::figures
