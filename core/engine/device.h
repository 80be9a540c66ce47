// SPDX-License-Identifier: GPL-3.0-or-later
// Opens the device that somebody named. Headscope itself links no CUDA: support for it is a library that is
// opened when a GPU is asked for.
#pragma once

#include <optional>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include "core/base/result.h"

namespace headscope {

// "cpu", "cuda" (device 0) or "cuda:1". Errors: invalid_argument (no such kind), device (no GPU, no driver,
// or a build without CUDA; the message says which and what to do).
Result<at::Device> open_device(const std::string& name);

// A host tensor copied to the device without waiting for what is queued there. The host's may go at once: the driver
// has taken its (pageable) bytes before this returns.
at::Tensor queued_copy(const at::Tensor& x, const at::Device& device);

// A tensor on its way to the processor: what is queued on its device after it goes on while somebody waits for it.
class QueuedRead {
public:
  explicit QueuedRead(const at::Tensor& x);
  at::Tensor wait(); // on the processor

private:
  at::Tensor copy_;
  std::optional<c10::Event> arrived_; // of a GPU
};

// What this build and machine can do, in words: "CPU only: built without CUDA", "CUDA: NVIDIA H100".
std::string describe_cuda();

} // namespace headscope
