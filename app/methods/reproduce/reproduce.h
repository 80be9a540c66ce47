// SPDX-License-Identifier: GPL-3.0-or-later
// The method `reproduce`: runs a published experiment and shows its numbers beside those of a model.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_reproduce();

} // namespace headscope::methods
