// SPDX-License-Identifier: GPL-3.0-or-later
// Computes one element of a block of each type: element i of the block at b. Neighbouring threads take neighbouring
// elements, so that a warp writes one contiguous row and reads its block through the cache. Products and sums are
// rounded separately (__fmul_rn and __fadd_rn are never contracted), as on the CPU. Layouts as in ggml (ggml-common.h).
#pragma once

#include <cstdint>
#include <cstring>

#include <cuda_fp16.h>

namespace headscope::kernels::cuda {

__device__ inline std::uint32_t load16(const std::uint8_t* p) { return p[0] | (static_cast<std::uint32_t>(p[1]) << 8); }
__device__ inline float load_half(const std::uint8_t* p) {
  return __half2float(__ushort_as_half(static_cast<unsigned short>(load16(p))));
}
__device__ inline std::uint32_t load32(const std::uint8_t* p) { return load16(p) | (load16(p + 2) << 16); }

__device__ inline float scaled(int q, float scale) { return __fmul_rn(static_cast<float>(q), scale); }
__device__ inline float affine(int q, float scale, float offset) { return __fadd_rn(scaled(q, scale), offset); }

// The low nibbles of 16 bytes are elements 0 to 15, the high ones 16 to 31.
__device__ inline int nibble(const std::uint8_t* q, int i) { return (q[i & 15] >> (i & 16 ? 4 : 0)) & 15; }
__device__ inline int fifth_bit(std::uint32_t high, int i) { return static_cast<int>((high >> i) & 1u) << 4; }

struct F32 {
  static constexpr int size = 1, bytes = 4;
  __device__ static float element(const std::uint8_t* b, int) { return __uint_as_float(load32(b)); }
};
struct F16 {
  static constexpr int size = 1, bytes = 2;
  __device__ static float element(const std::uint8_t* b, int) { return load_half(b); }
};
struct BF16 {
  static constexpr int size = 1, bytes = 2;
  __device__ static float element(const std::uint8_t* b, int) { return __uint_as_float(load16(b) << 16); }
};
struct Q4_0 {
  static constexpr int size = 32, bytes = 18;
  __device__ static float element(const std::uint8_t* b, int i) { return scaled(nibble(b + 2, i) - 8, load_half(b)); }
};
struct Q4_1 {
  static constexpr int size = 32, bytes = 20;
  __device__ static float element(const std::uint8_t* b, int i) {
    return affine(nibble(b + 4, i), load_half(b), load_half(b + 2));
  }
};
struct Q5_0 {
  static constexpr int size = 32, bytes = 22;
  __device__ static float element(const std::uint8_t* b, int i) {
    return scaled((nibble(b + 6, i) | fifth_bit(load32(b + 2), i)) - 16, load_half(b));
  }
};
struct Q5_1 {
  static constexpr int size = 32, bytes = 24;
  __device__ static float element(const std::uint8_t* b, int i) {
    return affine(nibble(b + 8, i) | fifth_bit(load32(b + 4), i), load_half(b), load_half(b + 2));
  }
};
struct Q8_0 {
  static constexpr int size = 32, bytes = 34;
  __device__ static float element(const std::uint8_t* b, int i) {
    return scaled(static_cast<std::int8_t>(b[2 + i]), load_half(b));
  }
};
struct IQ4_NL {
  static constexpr int size = 32, bytes = 18;
  __device__ static float element(const std::uint8_t* b, int i) {
    constexpr std::int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return scaled(values[nibble(b + 2, i)], load_half(b));
  }
};

// Q2_K and Q3_K: two bits of byte 32 * (i / 128) + i % 32, a scale for every sixteen elements.
__device__ inline int two_bits(const std::uint8_t* q, int i) {
  return (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
}
struct Q2_K {
  static constexpr int size = 256, bytes = 84;
  __device__ static float element(const std::uint8_t* b, int i) {
    const int scales = b[i / 16];
    const float low = __fmul_rn(load_half(b + 82), static_cast<float>(scales >> 4));
    return affine(two_bits(b + 16, i), scaled(scales & 15, load_half(b + 80)), -low);
  }
};
struct Q3_K {
  static constexpr int size = 256, bytes = 110;
  __device__ static float element(const std::uint8_t* b, int i) {
    const std::uint8_t* packed = b + 96;
    const int group = i / 16;
    const int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    const int scale = (low | (((packed[8 + group % 4] >> (2 * (group / 4))) & 3) << 4)) - 32;
    const int high = (b[i % 32] >> (i / 32)) & 1;
    return scaled(two_bits(b + 32, i) - 4 * (1 - high), scaled(scale, load_half(b + 108)));
  }
};

// Q4_K and Q5_K: six-bit scales and minima of eight groups of 32 in twelve bytes.
__device__ inline float k_affine(const std::uint8_t* b, int group, int q) {
  const std::uint8_t* s = b + 4;
  int scale, low;
  if (group < 4) {
    scale = s[group] & 63;
    low = s[group + 4] & 63;
  } else {
    scale = (s[group + 4] & 15) | ((s[group - 4] >> 6) << 4);
    low = (s[group + 4] >> 4) | ((s[group] >> 6) << 4);
  }
  return affine(q, scaled(scale, load_half(b)), -scaled(low, load_half(b + 2)));
}
__device__ inline int k_nibble(const std::uint8_t* q, int i) {
  return (q[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15;
}
struct Q4_K {
  static constexpr int size = 256, bytes = 144;
  __device__ static float element(const std::uint8_t* b, int i) { return k_affine(b, i / 32, k_nibble(b + 16, i)); }
};
struct Q5_K {
  static constexpr int size = 256, bytes = 176;
  __device__ static float element(const std::uint8_t* b, int i) {
    const int high = (b[16 + i % 32] >> (i / 32)) & 1;
    return k_affine(b, i / 32, k_nibble(b + 48, i) | (high << 4));
  }
};
struct Q6_K {
  static constexpr int size = 256, bytes = 210;
  __device__ static float element(const std::uint8_t* b, int i) {
    const int half = i / 128, in_half = i % 128;
    const int low = (b[64 * half + in_half % 64] >> (in_half / 64 * 4)) & 15;
    const int high = (b[128 + 32 * half + in_half % 32] >> (in_half / 32 * 2)) & 3;
    const float scale = scaled(static_cast<std::int8_t>(b[192 + i / 16]), load_half(b + 208));
    return scaled((low | (high << 4)) - 32, scale);
  }
};

} // namespace headscope::kernels::cuda
