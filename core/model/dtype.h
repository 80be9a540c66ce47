// SPDX-License-Identifier: GPL-3.0-or-later
// The number types that a model can compute in, by name.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/vocabulary/named.h"

namespace headscope {

template <> std::span<const Named<at::ScalarType>> names_of<at::ScalarType>();

} // namespace headscope
