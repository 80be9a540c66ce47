// SPDX-License-Identifier: GPL-3.0-or-later
// Checks that the tensors of a file lie inside it and do not overlap.
#pragma once

#include "core/base/result.h"
#include "core/io/tensor_info.h"

namespace headscope::io {

// Counts the elements of a shape; returns false when a size is negative or the product exceeds 2^60.
bool count_elements(const std::vector<std::int64_t>& shape, std::uint64_t& elements);

// Returns corrupt, naming the tensor, for one past the end of the data or sharing bytes with another; with no_holes
// also where bytes belong to no tensor. `begin` and `end` bound the data within the file.
Status check_tensor_layout(const std::vector<TensorInfo>& tensors, std::uint64_t begin, std::uint64_t end,
                           bool no_holes, const std::string& file);

} // namespace headscope::io
