// SPDX-License-Identifier: GPL-3.0-or-later
// The method `route`: the cheapest way to attend for each head within a budget of KL.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_route();

} // namespace headscope::methods
