// SPDX-License-Identifier: GPL-3.0-or-later
// The method `mask`: measures what a task loses with the strongest heads masked, against random heads.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_mask();

} // namespace headscope::methods
