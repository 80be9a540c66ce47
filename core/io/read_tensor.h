// SPDX-License-Identifier: GPL-3.0-or-later
// Converts one stored tensor to floats, on several threads.
#pragma once

#include "core/base/result.h"
#include "core/io/checkpoint.h"

namespace headscope::io {

// Elements [first, first + count) of a tensor of this file, whole blocks, as `count` values of `type`. Pages are given
// back to the system as they are done with, so that the stored form never fills memory beside the converted one.
Status read_tensor(const MappedFile& file, const TensorInfo& info, std::uint64_t first, std::uint64_t count, void* out,
                   ElementType type, int threads);

} // namespace headscope::io
