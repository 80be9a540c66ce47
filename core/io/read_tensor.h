// SPDX-License-Identifier: GPL-3.0-or-later
// Converts one stored tensor to floats, on several threads.
#pragma once

#include "core/base/workers.h"

#include "core/base/result.h"
#include "core/io/checkpoint.h"

namespace headscope::io {

// Which elements to read, [first, first + count) in whole blocks, and where they go.
struct ReadRequest {
  std::uint64_t first = 0, count = 0;
  void* out = nullptr; // `count` values of `type`
  ElementType type = ElementType::f32;
  // Where each stored row goes, for rows of equal length made of whole blocks; empty: rows keep their order.
  std::vector<std::int64_t> row_order;
};

// Returns unsupported, naming the tensor, where read_tensor() does not know its type.
Status check_readable(const TensorInfo& info, const std::string& file);

// Reads elements of a tensor of this file. Pages are released once read, so that the stored form never fills memory
// beside the converted one.
Status read_tensor(const MappedFile& file, const TensorInfo& info, const ReadRequest& request, Workers& workers);

} // namespace headscope::io
