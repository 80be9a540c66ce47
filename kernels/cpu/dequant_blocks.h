// SPDX-License-Identifier: GPL-3.0-or-later
// Dequantises one block of each type. Internal to each file that includes it (never inline with linkage: the linker
// would keep one copy, and with it one build, for all), so that the same text compiles for the plain and for the
// vectorised build: each inner loop is over independent elements, which the compiler turns into vectors where it may.
// Layouts as in ggml (https://github.com/ggml-org/ggml, ggml-common.h, ggml-quants.c).
#pragma once

#include "kernels/cpu/float_types.h"

namespace headscope::kernels::blocks {

static inline std::uint16_t load16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] | (static_cast<std::uint32_t>(p[1]) << 8));
}
static inline float load_half(const std::uint8_t* p) { return f16_to_float(load16(p)); }
static inline std::uint32_t load32(const std::uint8_t* p) {
  std::uint32_t value;
  std::memcpy(&value, p, 4);
  return value;
}

static inline void q4_0(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b);
  for (int i = 0; i < 16; ++i)
    y[i] = static_cast<float>((b[2 + i] & 0xf) - 8) * d;
  for (int i = 0; i < 16; ++i)
    y[i + 16] = static_cast<float>((b[2 + i] >> 4) - 8) * d;
}

static inline void q4_1(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b), m = load_half(b + 2);
  for (int i = 0; i < 16; ++i)
    y[i] = static_cast<float>(b[4 + i] & 0xf) * d + m;
  for (int i = 0; i < 16; ++i)
    y[i + 16] = static_cast<float>(b[4 + i] >> 4) * d + m;
}

static inline void q5_0(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b);
  const std::uint32_t high = load32(b + 2);
  for (int i = 0; i < 16; ++i) {
    const int low0 = b[6 + i] & 0xf, low1 = b[6 + i] >> 4;
    y[i] = static_cast<float>((low0 | static_cast<int>(((high >> i) & 1u) << 4)) - 16) * d;
    y[i + 16] = static_cast<float>((low1 | static_cast<int>(((high >> (i + 16)) & 1u) << 4)) - 16) * d;
  }
}

static inline void q5_1(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b), m = load_half(b + 2);
  const std::uint32_t high = load32(b + 4);
  for (int i = 0; i < 16; ++i) {
    const int low0 = b[8 + i] & 0xf, low1 = b[8 + i] >> 4;
    y[i] = static_cast<float>(low0 | static_cast<int>(((high >> i) & 1u) << 4)) * d + m;
    y[i + 16] = static_cast<float>(low1 | static_cast<int>(((high >> (i + 16)) & 1u) << 4)) * d + m;
  }
}

static inline void q8_0(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b);
  for (int i = 0; i < 32; ++i)
    y[i] = static_cast<float>(static_cast<std::int8_t>(b[2 + i])) * d;
}

static inline void iq4_nl(const std::uint8_t* __restrict b, float* __restrict y) {
  constexpr std::int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  const float d = load_half(b);
  for (int i = 0; i < 16; ++i) {
    y[i] = d * static_cast<float>(values[b[2 + i] & 0xf]);
    y[i + 16] = d * static_cast<float>(values[b[2 + i] >> 4]);
  }
}

static inline void q2_k(const std::uint8_t* __restrict b, float* __restrict y) {
  const std::uint8_t *scales = b, *q = b + 16;
  const float d = load_half(b + 80), dmin = load_half(b + 82);
  int group = 0;
  for (int half = 0; half < 2; ++half, q += 32)
    for (int shift = 0; shift < 8; shift += 2)
      for (int part = 0; part < 2; ++part, ++group, y += 16) {
        const float scale = d * static_cast<float>(scales[group] & 0xf),
                    low = dmin * static_cast<float>(scales[group] >> 4);
        for (int i = 0; i < 16; ++i)
          y[i] = scale * static_cast<float>((q[16 * part + i] >> shift) & 3) - low;
      }
}

static inline void q3_k_scales(const std::uint8_t* packed, std::int8_t* scales) {
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? packed[i] & 0xf : packed[i - 8] >> 4;
    scales[i] = static_cast<std::int8_t>((low | (((packed[8 + i % 4] >> (2 * (i / 4))) & 3) << 4)) - 32);
  }
}

static inline void q3_k(const std::uint8_t* __restrict b, float* __restrict y) {
  const std::uint8_t *high = b, *q = b + 32;
  const float d = load_half(b + 108);
  std::int8_t scales[16];
  q3_k_scales(b + 96, scales);
  int group = 0;
  std::uint8_t bit = 1;
  for (int half = 0; half < 2; ++half, q += 32)
    for (int shift = 0; shift < 8; shift += 2, bit = static_cast<std::uint8_t>(bit << 1))
      for (int part = 0; part < 2; ++part, ++group, y += 16) {
        const float scale = d * static_cast<float>(scales[group]);
        for (int i = 0; i < 16; ++i)
          y[i] = scale * static_cast<float>(((q[16 * part + i] >> shift) & 3) - ((high[16 * part + i] & bit) ? 0 : 4));
      }
}

// The six-bit scale and minimum of group j in the twelve bytes of Q4_K and Q5_K.
static inline void k_scale(int j, const std::uint8_t* q, int& scale, int& low) {
  if (j < 4) {
    scale = q[j] & 63;
    low = q[j + 4] & 63;
  } else {
    scale = (q[j + 4] & 0xf) | ((q[j - 4] >> 6) << 4);
    low = (q[j + 4] >> 4) | ((q[j] >> 6) << 4);
  }
}

static inline void q4_k(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b), dmin = load_half(b + 2);
  const std::uint8_t* q = b + 16;
  for (int j = 0; j < 8; j += 2, q += 32, y += 64) {
    int s0, m0, s1, m1;
    k_scale(j, b + 4, s0, m0);
    k_scale(j + 1, b + 4, s1, m1);
    const float d0 = d * static_cast<float>(s0), l0 = dmin * static_cast<float>(m0);
    const float d1 = d * static_cast<float>(s1), l1 = dmin * static_cast<float>(m1);
    for (int i = 0; i < 32; ++i)
      y[i] = d0 * static_cast<float>(q[i] & 0xf) - l0;
    for (int i = 0; i < 32; ++i)
      y[32 + i] = d1 * static_cast<float>(q[i] >> 4) - l1;
  }
}

static inline void q5_k(const std::uint8_t* __restrict b, float* __restrict y) {
  const float d = load_half(b), dmin = load_half(b + 2);
  const std::uint8_t *high = b + 16, *q = b + 48;
  for (int j = 0; j < 8; j += 2, q += 32, y += 64) {
    int s0, m0, s1, m1;
    k_scale(j, b + 4, s0, m0);
    k_scale(j + 1, b + 4, s1, m1);
    const float d0 = d * static_cast<float>(s0), l0 = dmin * static_cast<float>(m0);
    const float d1 = d * static_cast<float>(s1), l1 = dmin * static_cast<float>(m1);
    for (int i = 0; i < 32; ++i)
      y[i] = d0 * static_cast<float>((q[i] & 0xf) + (((high[i] >> j) & 1) << 4)) - l0;
    for (int i = 0; i < 32; ++i)
      y[32 + i] = d1 * static_cast<float>((q[i] >> 4) + (((high[i] >> (j + 1)) & 1) << 4)) - l1;
  }
}

static inline void q6_k(const std::uint8_t* __restrict b, float* __restrict y) {
  const std::uint8_t *low = b, *high = b + 128;
  const auto* scales = reinterpret_cast<const std::int8_t*>(b + 192);
  const float d = load_half(b + 208);
  for (int half = 0; half < 2; ++half, y += 128, low += 64, high += 32, scales += 8)
    for (int group = 0; group < 8; ++group) { // 16 elements with one scale
      const std::uint8_t *l = low + 16 * (group % 4), *h = high + 16 * (group % 2);
      const float scale = d * static_cast<float>(scales[group]);
      const int low_shift = group / 4 * 4, high_shift = group / 2 * 2;
      for (int i = 0; i < 16; ++i)
        y[16 * group + i] =
            scale * static_cast<float>((((l[i] >> low_shift) & 0xf) | (((h[i] >> high_shift) & 3) << 4)) - 32);
    }
}

static inline void f16(const std::uint8_t* __restrict b, float* __restrict y) { *y = load_half(b); }
static inline void bf16(const std::uint8_t* __restrict b, float* __restrict y) { *y = bf16_to_float(load16(b)); }
static inline void f32(const std::uint8_t* __restrict b, float* __restrict y) { std::memcpy(y, b, 4); }

template <void (*Block)(const std::uint8_t*, float*), std::size_t Size, std::size_t Bytes>
static inline void each(const void* blocks, std::size_t count, float* out) {
  const auto* b = static_cast<const std::uint8_t*>(blocks);
  for (std::size_t i = 0; i < count; i += Size, b += Bytes)
    Block(b, out + i);
}

static inline void dispatch(QuantType type, const void* b, std::size_t n, float* y) {
  switch (type) {
  case QuantType::f32: return each<f32, 1, 4>(b, n, y);
  case QuantType::f16: return each<f16, 1, 2>(b, n, y);
  case QuantType::bf16: return each<bf16, 1, 2>(b, n, y);
  case QuantType::q4_0: return each<q4_0, 32, 18>(b, n, y);
  case QuantType::q4_1: return each<q4_1, 32, 20>(b, n, y);
  case QuantType::q5_0: return each<q5_0, 32, 22>(b, n, y);
  case QuantType::q5_1: return each<q5_1, 32, 24>(b, n, y);
  case QuantType::q8_0: return each<q8_0, 32, 34>(b, n, y);
  case QuantType::q2_k: return each<q2_k, 256, 84>(b, n, y);
  case QuantType::q3_k: return each<q3_k, 256, 110>(b, n, y);
  case QuantType::q4_k: return each<q4_k, 256, 144>(b, n, y);
  case QuantType::q5_k: return each<q5_k, 256, 176>(b, n, y);
  case QuantType::q6_k: return each<q6_k, 256, 210>(b, n, y);
  case QuantType::iq4_nl: return each<iq4_nl, 32, 18>(b, n, y);
  }
}

} // namespace headscope::kernels::blocks
