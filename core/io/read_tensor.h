// SPDX-License-Identifier: GPL-3.0-or-later
// Converts one stored tensor to floats, on several threads.
#pragma once

#include "core/base/workers.h"

#include "core/base/result.h"
#include "core/io/checkpoint.h"

namespace headscope::io {

// Which elements, [first, first + count), whole blocks, and where they go.
struct ReadRequest {
  std::uint64_t first = 0, count = 0;
  void* out = nullptr; // `count` values of `type`
  ElementType type = ElementType::f32;
  // Where each stored row goes, of rows of equal length that are whole blocks; empty: all stay where they are.
  std::vector<std::int64_t> row_order;
};

// Returns unsupported, naming the tensor, where its type is none that read_tensor() knows.
Status check_readable(const TensorInfo& info, const std::string& file);

// Elements of a tensor of this file. Pages are given back to the system as they are done with, so that the stored form
// never fills memory beside the converted one.
Status read_tensor(const MappedFile& file, const TensorInfo& info, const ReadRequest& request, Workers& workers);

} // namespace headscope::io
