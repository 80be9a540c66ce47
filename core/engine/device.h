// SPDX-License-Identifier: GPL-3.0-or-later
// Opens the device that somebody named. Headscope itself links no CUDA: support for it is a library that is
// opened when a GPU is asked for.
#pragma once

#include <string>

#include <c10/core/Device.h>

#include "core/base/result.h"

namespace headscope {

// "cpu", "cuda" (device 0) or "cuda:1". Errors: invalid_argument (no such kind), device (no GPU, no driver,
// or a build without CUDA; the message says which and what to do).
Result<at::Device> open_device(const std::string& name);

// What this build and machine can do, in words: "CPU only: built without CUDA", "CUDA: NVIDIA H100".
std::string describe_cuda();

} // namespace headscope
