// SPDX-License-Identifier: GPL-3.0-or-later
// The method `circuit benchmark`: compares methods of circuit discovery on one task with random circuits, by the two
// numbers of the MIB benchmark.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_circuit_benchmark();

} // namespace headscope::methods
