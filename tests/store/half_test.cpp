// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/half.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace headscope::store {
namespace {

// Expected bits are numpy.float16's.
TEST(Half, RoundsAsNumpy) {
  const struct {
    float value;
    std::uint16_t bits;
  } cases[] = {{0.0F, 0x0000},    {-0.0F, 0x8000},     {1.0F, 0x3c00},           {0.1F, 0x2e66},
               {-2.5F, 0xc100},   {65504.0F, 0x7bff},  {65519.0F, 0x7bff},       {65520.0F, 0x7c00},
               {1e9F, 0x7c00},    {6e-8F, 0x0001},     {2.9e-8F, 0x0000},        {3e-8F, 0x0001},
               {6.1e-5F, 0x03ff}, {6.104e-5F, 0x0400}, {1.00048828125F, 0x3c00}, {1.00146484375F, 0x3c02}};
  for (const auto& c : cases)
    EXPECT_EQ(to_half(c.value), c.bits) << c.value;
  EXPECT_EQ(to_half(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_TRUE(std::isnan(from_half(to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, EveryHalfComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = from_half(half);
    if (std::isnan(value)) continue;
    ASSERT_EQ(to_half(value), half);
    const int exponent = static_cast<int>((bits >> 10U) & 31U);
    const float fraction = static_cast<float>(bits & 1023U) / 1024.0F;
    if (exponent == 31) continue;
    const float expected = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0F + fraction, exponent - 15);
    ASSERT_EQ(std::abs(value), expected);
  }
}

} // namespace
} // namespace headscope::store
