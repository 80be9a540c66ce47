// SPDX-License-Identifier: GPL-3.0-or-later
// What a weight file says of one tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headscope::io {

struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape; // row-major: the last axis is contiguous
  std::string dtype;               // "F32", "BF16", "Q4_K", …
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0; // of its first byte in its file
  std::size_t file = 0;     // index into the checkpoint's files
  std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t size : shape)
      product *= size;
    return product;
  }
};

} // namespace headscope::io
