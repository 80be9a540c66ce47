// SPDX-License-Identifier: GPL-3.0-or-later
// The method `survey`: the main analyses in one file.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_survey();

} // namespace headscope::methods
