// SPDX-License-Identifier: GPL-3.0-or-later
// Measures wall time and peak memory of a piece of work on a device.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <c10/core/Device.h>

#include "core/base/result.h"

namespace headscope::methods {

struct Measured {
  double seconds = 0.0;          // until the device has finished
  std::int64_t memory_bytes = 0; // peak above what was in use before: of the device, or of this process on the CPU
};

// Runs the work once.
Result<Measured> measure_once(const at::Device& device, const std::function<Status()>& work);
// Repeats the work unless it takes long, and returns the median time and the largest peak.
Result<Measured> measure(const at::Device& device, const std::function<Status()>& work);

// The device's name: "AMD EPYC 9R14, 2 threads", "NVIDIA H100 80GB HBM3".
std::string device_name(const at::Device& device);

} // namespace headscope::methods
