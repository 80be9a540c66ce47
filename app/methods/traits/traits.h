// SPDX-License-Identifier: GPL-3.0-or-later
// The method `traits`: what each head's attention on a text could be replaced by.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_traits();

} // namespace headscope::methods
