// SPDX-License-Identifier: GPL-3.0-or-later
// Memory for a model's weights on the CPU. Getting fresh memory in pages of 4 KiB takes several times as long as
// filling it; weights are carved from larger mappings instead, which the kernel may back with pages of 2 MiB.
#pragma once

#include <cstddef>
#include <memory>

#include <ATen/core/Tensor.h>

namespace headscope {

class WeightMemory {
public:
  // Returns an uninitialised, contiguous tensor aligned to 64 bytes. A mapping is freed with the last tensor in it.
  // Throws c10::Error when there is no memory.
  at::Tensor empty(at::IntArrayRef shape, at::ScalarType dtype);

private:
  struct Mapping;
  std::shared_ptr<Mapping> mapping_;
  std::size_t used_ = 0;
};

} // namespace headscope
