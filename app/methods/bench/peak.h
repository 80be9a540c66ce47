// SPDX-License-Identifier: GPL-3.0-or-later
// The peak rates of a device: of a large square product, and of a large copy.
#pragma once

#include <cstdint>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::methods {

struct Peak {
  double flop_per_s = 0.0;       // 2 n^3 of an n x n product over its time
  double bytes_per_s = 0.0;      // bytes read and written by a copy over its time
  std::int64_t product_size = 0; // n
  std::int64_t copied_bytes = 0; // read; as many are written
};

// Takes a second or two; returns the best of several runs.
Result<Peak> measure_peak(const at::Device& device, at::ScalarType dtype, const RunControl& control);

} // namespace headscope::methods
