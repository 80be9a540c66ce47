// SPDX-License-Identifier: GPL-3.0-or-later
// The method `calibrate`: which heads gain when attention is taken off later sinks (ACT).
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_calibrate();

} // namespace headscope::methods
