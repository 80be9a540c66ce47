// SPDX-License-Identifier: GPL-3.0-or-later
// float16 and bfloat16 against numpy and torch, and against the formula of IEEE 754.
#include <cmath>
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "core/io/safetensors.h"
#include "kernels/cpu/dequant.h"
#include "kernels/cpu/float_types.h"

namespace headscope::kernels {
namespace {

TEST(FloatTypes, EveryHalfIsWhatIeeeSays) {
  std::vector<std::uint16_t> halves(65536);
  std::vector<float> wide(65536);
  for (std::uint32_t bits = 0; bits < 65536; ++bits)
    halves[bits] = static_cast<std::uint16_t>(bits);
  dequantise(QuantType::f16, halves.data(), halves.size(), wide.data());
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>((bits >> 10) & 31u), mantissa = static_cast<int>(bits & 1023u);
    const auto half = static_cast<std::uint16_t>(bits);
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(f16_to_float(half)) && std::isnan(wide[bits])) << bits;
      continue;
    }
    double value = exponent == 31  ? INFINITY
                   : exponent == 0 ? std::ldexp(mantissa, -24)
                                   : std::ldexp(1024 + mantissa, exponent - 25);
    if (bits & 0x8000u) value = -value;
    ASSERT_EQ(float_to_bits(f16_to_float(half)), float_to_bits(static_cast<float>(value))) << bits;
    ASSERT_EQ(float_to_bits(wide[bits]), float_to_bits(static_cast<float>(value))) << bits;
    ASSERT_EQ(float_to_f16(f16_to_float(half)), half) << bits;
  }
}

TEST(FloatTypes, RoundAsNumpyAndTorch) {
  const auto file = io::SafetensorsFile::open(std::string(HEADSCOPE_GOLDEN_DIR) + "/quant/rounding.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  std::map<std::string, const std::uint8_t*> data;
  std::size_t count = 0;
  for (const io::TensorInfo& info : file->tensors()) {
    data[info.name] = file->bytes(info).data();
    count = static_cast<std::size_t>(info.elements());
  }
  std::vector<float> values(count);
  std::vector<std::uint16_t> halves(count), brains(count), fast(count);
  std::memcpy(values.data(), data.at("f32"), 4 * count);
  std::memcpy(halves.data(), data.at("f16"), 2 * count);
  std::memcpy(brains.data(), data.at("bf16"), 2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(float_to_f16(values[i]), halves[i]) << values[i];
    EXPECT_EQ(float_to_bf16(values[i]), brains[i]) << values[i];
    const std::uint32_t magnitude = float_to_bits(values[i]) & 0x7fffffffu;
    EXPECT_EQ(magnitude >= infinite_f16, (halves[i] & 0x7fffu) == 0x7c00u) << values[i];
    EXPECT_EQ(magnitude >= infinite_bf16, (brains[i] & 0x7fffu) == 0x7f80u) << values[i];
  }
  narrow_to_f16(values.data(), count, fast.data());
  EXPECT_EQ(fast, halves);
  narrow_to_bf16(values.data(), count, fast.data());
  EXPECT_EQ(fast, brains);
}

TEST(FloatTypes, NotANumberStaysOne) {
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(NAN))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(bits_to_float(0x7f800001u))))); // a payload in the lost bits
  EXPECT_EQ(float_to_f16(-INFINITY), 0xfc00u);
  EXPECT_EQ(float_to_bf16(INFINITY), 0x7f80u);
}

} // namespace
} // namespace headscope::kernels
