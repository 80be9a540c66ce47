// SPDX-License-Identifier: GPL-3.0-or-later
// The method `detect`: finds what attention heads do.
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/detect/detect_run.h"

namespace headscope::methods {

std::unique_ptr<Cells> make_detect_cells(const DetectOptions& options);
std::unique_ptr<Method> make_detect();

} // namespace headscope::methods
