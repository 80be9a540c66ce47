// SPDX-License-Identifier: GPL-3.0-or-later
// Both forms of every type against what Python's gguf package makes of the same bytes, and against each other.
#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "core/io/gguf.h"
#include "core/io/safetensors.h"
#include "kernels/cpu/dequant.h"
#include "kernels/cpu/float_types.h"

namespace headscope::kernels {
namespace {

const std::string folder = std::string(HEADSCOPE_GOLDEN_DIR) + "/quant/";

std::vector<QuantType> all_types() {
  std::vector<QuantType> types;
  for (std::uint32_t number = 0; number < 64; ++number)
    if (quant_layout(number)) types.push_back(static_cast<QuantType>(number));
  return types;
}

// The first place where two rows differ in any bit, or -1.
std::ptrdiff_t first_difference(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (float_to_bits(a[i]) != float_to_bits(b[i])) return static_cast<std::ptrdiff_t>(i);
  return -1;
}

TEST(Dequantise, EqualsThePythonPackage) {
  const auto stored = GgufFile::open(folder + "all_types.gguf");
  const auto golden = io::SafetensorsFile::open(folder + "all_types.safetensors");
  ASSERT_TRUE(stored.ok()) << stored.error().to_string();
  ASSERT_TRUE(golden.ok()) << golden.error().to_string();
  ASSERT_EQ(stored->tensors().size(), all_types().size());
  for (const io::TensorInfo& info : stored->tensors()) {
    const auto wanted = std::find_if(golden->tensors().begin(), golden->tensors().end(),
                                     [&](const io::TensorInfo& other) { return other.name == info.name; });
    ASSERT_NE(wanted, golden->tensors().end()) << info.name;
    ASSERT_EQ(info.dtype, info.name); // the tensors are named after their types
    ASSERT_EQ(info.shape, wanted->shape);
    const auto count = static_cast<std::size_t>(info.elements());
    std::vector<float> expected(count), reference(count), fast(count);
    std::memcpy(expected.data(), golden->bytes(*wanted).data(), 4 * count);
    const std::uint8_t* bytes = stored->file().bytes().data() + info.offset;
    dequantise_reference(stored->type(info), bytes, count, reference.data());
    dequantise(stored->type(info), bytes, count, fast.data());
    EXPECT_EQ(first_difference(reference, expected), -1) << info.name;
    EXPECT_EQ(first_difference(fast, expected), -1) << info.name;
  }
}

// Bytes that may hold anything, but scales that are numbers: NaN has many bit patterns and is refused in any case.
void make_finite(QuantType type, std::vector<std::uint8_t>& bytes, std::size_t begin, std::mt19937& random) {
  std::vector<std::size_t> scales;
  switch (type) {
  case QuantType::f32:
  case QuantType::bf16: return;
  case QuantType::q4_1:
  case QuantType::q5_1:
  case QuantType::q4_k:
  case QuantType::q5_k: scales = {0, 2}; break;
  case QuantType::q2_k: scales = {80, 82}; break;
  case QuantType::q3_k: scales = {108}; break;
  case QuantType::q6_k: scales = {208}; break;
  default: scales = {0}; break;
  }
  for (const std::size_t at : scales)
    while ((bytes[begin + at + 1] & 0x7cu) == 0x7cu)
      bytes[begin + at + 1] = static_cast<std::uint8_t>(random());
}

TEST(Dequantise, FastEqualsReferenceBitForBit) {
  std::mt19937 random(20250102);
  for (const QuantType type : all_types()) {
    const QuantLayout& layout = *quant_layout(static_cast<std::uint32_t>(type));
    for (const std::size_t blocks : {1u, 3u, 500u}) {
      const std::size_t count = blocks * layout.block_size;
      std::vector<std::uint8_t> bytes(1 + blocks * layout.block_bytes); // from 1: nothing is aligned
      for (std::uint8_t& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
      for (std::size_t i = 0; i < blocks; ++i)
        make_finite(type, bytes, 1 + i * layout.block_bytes, random);
      std::vector<float> reference(count), fast(count + 1, 7.0F);
      dequantise_reference(type, bytes.data() + 1, count, reference.data());
      dequantise(type, bytes.data() + 1, count, fast.data());
      EXPECT_EQ(first_difference(reference, fast), -1) << layout.name << ", " << blocks << " blocks";
      EXPECT_EQ(fast.back(), 7.0F) << layout.name << " wrote past its end";
    }
  }
}

TEST(Dequantise, UnknownTypesHaveNoLayout) {
  for (const std::uint32_t number : {4u, 5u, 9u, 15u, 16u, 19u, 21u, 24u, 28u, 29u, 31u, 0xffffffffu})
    EXPECT_EQ(quant_layout(number), nullptr) << number;
}

TEST(FirstFrom, FindsTheFirst) {
  for (const std::size_t count : {1u, 7u, 4096u, 9001u}) {
    std::vector<float> values(count, -65519.0F);
    EXPECT_EQ(first_from(values.data(), count, infinite_f32), count);
    EXPECT_EQ(first_from(values.data(), count, infinite_f16), count);
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      values[count / 2] = values[count - 1] = bad;
      EXPECT_EQ(first_from(values.data(), count, infinite_f32), count / 2);
    }
    values[count / 2] = -65520.0F; // the smallest that float16 rounds to infinity
    values[count - 1] = 0.0F;
    if (count == 1) continue;
    EXPECT_EQ(first_from(values.data(), count, infinite_f32), count);
    EXPECT_EQ(first_from(values.data(), count, infinite_f16), count / 2);
  }
}

} // namespace
} // namespace headscope::kernels
