// SPDX-License-Identifier: GPL-3.0-or-later
// The method `attention`: stores the attention maps of a prompt in a result file.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_attention();

} // namespace headscope::methods
