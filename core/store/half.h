// SPDX-License-Identifier: GPL-3.0-or-later
// IEEE 754 half precision, stored as its 16 bits. HDF5's own conversion works bit by bit and is too slow
// for attention maps.
#pragma once

#include <cstdint>
#include <span>

namespace headscope::store {

std::uint16_t to_half(float value); // round to nearest even; too large becomes infinity, NaN stays NaN
float from_half(std::uint16_t bits);

// Both spans must have one size.
void to_half(std::span<const float> from, std::span<std::uint16_t> to);
void from_half(std::span<const std::uint16_t> from, std::span<float> to);

} // namespace headscope::store
