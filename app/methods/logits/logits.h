// SPDX-License-Identifier: GPL-3.0-or-later
// The method `logits`: the likeliest next tokens of a prompt.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_logits();

} // namespace headscope::methods
