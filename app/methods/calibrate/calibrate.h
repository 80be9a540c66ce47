// SPDX-License-Identifier: GPL-3.0-or-later
// The method `calibrate`: finds the heads that improve a task when attention on later sinks is reduced (ACT).
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_calibrate();

} // namespace headscope::methods
