// SPDX-License-Identifier: GPL-3.0-or-later
// Opens a device by name. Headscope itself does not link CUDA: its CUDA library is opened when a GPU is asked for.
#pragma once

#include <optional>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include "core/base/result.h"

namespace headscope {

// Accepts "cpu", "cuda" (device 0) or "cuda:1". Errors: invalid_argument (no such kind), device (no GPU, no driver,
// or a build without CUDA; the message says which and what to do).
Result<at::Device> open_device(const std::string& name);

// Copies a host tensor to the device without waiting for what is queued there. The host tensor may be freed at once:
// the driver has read its (pageable) bytes before this returns.
at::Tensor queued_copy(const at::Tensor& x, const at::Device& device);

// A tensor being copied to the CPU: work queued on its device after it continues while the copy is waited for.
class QueuedRead {
public:
  explicit QueuedRead(const at::Tensor& x);
  at::Tensor wait(); // on the CPU

private:
  at::Tensor copy_;
  std::optional<c10::Event> arrived_; // of a GPU
};

// Says in words what this build and machine can do: "CPU only: built without CUDA", "CUDA: NVIDIA H100".
std::string describe_cuda();

} // namespace headscope
