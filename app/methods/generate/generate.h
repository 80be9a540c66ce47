// SPDX-License-Identifier: GPL-3.0-or-later
// The method `generate`: continues a prompt, greedily or by sampling.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_generate();

} // namespace headscope::methods
