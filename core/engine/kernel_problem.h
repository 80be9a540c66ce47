// SPDX-License-Identifier: GPL-3.0-or-later
// Tensors as the attention kernels take them (kernels/), and calls of those on a GPU.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/cuda_module.h"
#include "kernels/attention_statistics.h"

namespace headscope {

// The kernels' name of a type; nullopt where they cannot read it.
std::optional<kernels::Element> element_of(at::ScalarType type);
// Four axes as the kernels need them: the last contiguous, everything at multiples of 16 bytes.
at::Tensor aligned(const at::Tensor& x);

// q and k of a problem, as long as its pointers are used.
struct KernelScores {
  // Views [batch, pos, head_index, d_head] of memory in any order.
  KernelScores(const at::Tensor& q, const at::Tensor& k, const kernels::AttentionVariant& variant,
               const std::vector<std::int64_t>& key_begin);

  at::Tensor q, k, key_begin;
  kernels::AttentionProblem problem;
};

// Calls work(module, stream) on the GPU of x, which returns an error number, or nullopt where the module has no kernel.
// Returns whether it was done; `what` begins the warning of what the GPU refuses: "the statistics go".
using KernelCall = std::function<std::optional<int>(const kernels::cuda::Module& module, void* stream)>;
bool on_gpu(const at::Tensor& x, const char* what, const KernelCall& work);

} // namespace headscope
