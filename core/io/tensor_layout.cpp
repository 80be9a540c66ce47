// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/tensor_layout.h"

#include <algorithm>

namespace headscope::io {

bool count_elements(const std::vector<std::int64_t>& shape, std::uint64_t& elements) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 60;
  elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) return false;
    const auto factor = static_cast<std::uint64_t>(size);
    if (factor != 0 && elements > limit / factor) return false;
    elements *= factor;
  }
  return true;
}

Status check_tensor_layout(const std::vector<TensorInfo>& tensors, std::uint64_t begin, std::uint64_t end,
                           bool no_holes, const std::string& file) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset < begin || tensor.offset > end || tensor.bytes > end - tensor.offset)
      return make_error(ErrorCode::corrupt,
                        "lies beyond the end of the file (needs bytes up to " +
                            std::to_string(tensor.offset + tensor.bytes) + ", the file has " + std::to_string(end) +
                            "); the file is truncated or damaged",
                        file, tensor.name);
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  std::uint64_t used = begin;
  for (const TensorInfo* tensor : order) {
    if (tensor->offset < used && tensor->bytes > 0)
      return make_error(ErrorCode::corrupt, "overlaps another tensor", file, tensor->name);
    if (no_holes && tensor->offset > used)
      return make_error(ErrorCode::corrupt,
                        std::to_string(tensor->offset - used) + " bytes before it belong to no tensor", file,
                        tensor->name);
    used = std::max(used, tensor->offset + tensor->bytes);
  }
  if (no_holes && used != end)
    return make_error(
        ErrorCode::corrupt,
        "holds " + std::to_string(end - used) + " bytes after the last tensor; it is oversized or damaged", file);
  return {};
}

} // namespace headscope::io
