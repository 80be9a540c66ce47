// SPDX-License-Identifier: GPL-3.0-or-later
// The method `lens`: shows what the model would predict after each layer (logit lens).
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_lens();

} // namespace headscope::methods
