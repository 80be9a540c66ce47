// SPDX-License-Identifier: GPL-3.0-or-later
// Kernels of width 3 for q, k and v.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope::mechanisms {

// Weights of the position before the last, the last and the own one, for each channel of a head; one for all where
// there is one.
class ConvKernel {
public:
  using Weights = std::array<double, 3>;
  ConvKernel() : ConvKernel({{0.0, 0.0, 1.0}}) {}
  explicit ConvKernel(std::vector<Weights> by_channel) : by_channel_(std::move(by_channel)) {}

  // The weights of one place (0: before the last, 2: own) for the channels of a head. Channels without a kernel keep
  // what they have.
  std::vector<double> weights(std::int64_t place, std::int64_t channels) const;

private:
  std::vector<Weights> by_channel_;
};

struct ConvKernels {
  ConvKernel q, k, v;
};

// Reads lines `part,channel,w0,w1,w2` below such a header, part being q, k or v. Channels without a line are not mixed.
Result<ConvKernels> read_conv_kernels(const std::string& path);

} // namespace headscope::mechanisms
