// SPDX-License-Identifier: GPL-3.0-or-later
// Converts one stored tensor to floats, on several threads.
#pragma once

#include <span>

#include "core/base/result.h"
#include "core/io/checkpoint.h"

namespace headscope::io {

// `stored`: the tensor's bytes; dtype as in TensorInfo. Fills `out` with info.elements() values of `type`.
Status read_tensor(const TensorInfo& info, std::span<const std::uint8_t> stored, void* out, ElementType type,
                   int threads, const std::string& file);

} // namespace headscope::io
