// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/half.h"

#include <bit>
#include <cstddef>

namespace headscope::store {

namespace {
constexpr std::uint32_t kInfinity = 255U << 23U;
constexpr std::uint32_t kHalfOverflow = (127U + 16U) << 23U; // 65536
constexpr std::uint32_t kHalfSmallestNormal = 113U << 23U;   // 2^-14
} // namespace

std::uint16_t to_half(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits & 0x80000000U;
  bits ^= sign;
  std::uint32_t half = 0;
  if (bits >= kHalfOverflow) {
    half = bits > kInfinity ? 0x7e00U : 0x7c00U;
  } else if (bits < kHalfSmallestNormal) {
    // Adding 0.5 puts the ten bits of a subnormal half where the float's lowest bits are; the FPU rounds.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(bits) + 0.5F) - std::bit_cast<std::uint32_t>(0.5F);
  } else {
    const std::uint32_t odd = (bits >> 13U) & 1U;
    half = (bits - (112U << 23U) + 0xfffU + odd) >> 13U;
  }
  return static_cast<std::uint16_t>(half | (sign >> 16U));
}

float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fffU) << 13U;
  const std::uint32_t exponent = magnitude & (0x7c00U << 13U);
  float value = 0.0F;
  if (exponent == (0x7c00U << 13U)) {
    value = std::bit_cast<float>(magnitude + ((255U - 31U) << 23U));
  } else if (exponent == 0) {
    value = std::bit_cast<float>(magnitude + kHalfSmallestNormal) - std::bit_cast<float>(kHalfSmallestNormal);
  } else {
    value = std::bit_cast<float>(magnitude + (112U << 23U));
  }
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

void to_half(std::span<const float> from, std::span<std::uint16_t> to) {
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] = to_half(from[i]);
}

void from_half(std::span<const std::uint16_t> from, std::span<float> to) {
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] = from_half(from[i]);
}

} // namespace headscope::store
