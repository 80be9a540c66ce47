// SPDX-License-Identifier: GPL-3.0-or-later
// The tensor types of GGUF files that Headscope reads; the numbers are ggml's
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace headscope::kernels {

enum class QuantType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  bf16 = 30,
};

struct QuantLayout {
  const char* name;        // "Q4_K"
  std::size_t block_size;  // elements in a block
  std::size_t block_bytes; // bytes of a block
};

// Returns null for a type that is not in the list above.
inline const QuantLayout* quant_layout(std::uint32_t type) {
  static constexpr QuantLayout f32{"F32", 1, 4}, f16{"F16", 1, 2}, bf16{"BF16", 1, 2};
  static constexpr QuantLayout q4_0{"Q4_0", 32, 18}, q4_1{"Q4_1", 32, 20}, q5_0{"Q5_0", 32, 22}, q5_1{"Q5_1", 32, 24};
  static constexpr QuantLayout q8_0{"Q8_0", 32, 34}, iq4_nl{"IQ4_NL", 32, 18};
  static constexpr QuantLayout q2_k{"Q2_K", 256, 84}, q3_k{"Q3_K", 256, 110}, q4_k{"Q4_K", 256, 144};
  static constexpr QuantLayout q5_k{"Q5_K", 256, 176}, q6_k{"Q6_K", 256, 210};
  switch (static_cast<QuantType>(type)) {
  case QuantType::f32: return &f32;
  case QuantType::f16: return &f16;
  case QuantType::bf16: return &bf16;
  case QuantType::q4_0: return &q4_0;
  case QuantType::q4_1: return &q4_1;
  case QuantType::q5_0: return &q5_0;
  case QuantType::q5_1: return &q5_1;
  case QuantType::q8_0: return &q8_0;
  case QuantType::q2_k: return &q2_k;
  case QuantType::q3_k: return &q3_k;
  case QuantType::q4_k: return &q4_k;
  case QuantType::q5_k: return &q5_k;
  case QuantType::q6_k: return &q6_k;
  case QuantType::iq4_nl: return &iq4_nl;
  }
  return nullptr;
}

} // namespace headscope::kernels
