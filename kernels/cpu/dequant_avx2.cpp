// SPDX-License-Identifier: GPL-3.0-or-later
// The same blocks as the reference, compiled with AVX2 and without contraction to fused multiply-add, so that
// every product is rounded as there; conversions of whole rows use F16C.
#include "kernels/cpu/dequant_avx2.h"

#include <immintrin.h>

#include "kernels/cpu/dequant_blocks.h"

namespace headscope::kernels::avx2 {
namespace {

void widen_f16(const std::uint8_t* in, std::size_t count, float* out) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i))));
  for (; i < count; ++i)
    blocks::f16(in + 2 * i, out + i);
}

} // namespace

void dequantise(QuantType type, const void* data, std::size_t count, float* out) {
  if (type == QuantType::f16) return widen_f16(static_cast<const std::uint8_t*>(data), count, out);
  if (type == QuantType::f32) {
    std::memcpy(out, data, 4 * count);
    return;
  }
  blocks::dispatch(type, data, count, out);
}

void narrow_to_bf16(const float* in, std::size_t count, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; ++i)
    out[i] = float_to_bf16(in[i]);
}

void narrow_to_f16(const float* in, std::size_t count, std::uint16_t* out) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  for (; i < count; ++i)
    out[i] = float_to_f16(in[i]);
}

std::size_t first_not_finite(const float* values, std::size_t count) {
  constexpr std::size_t chunk = 4096;
  for (std::size_t begin = 0; begin < count; begin += chunk) {
    const std::size_t end = begin + chunk < count ? begin + chunk : count;
    unsigned bad = 0;
    for (std::size_t i = begin; i < end; ++i)
      bad |= (float_to_bits(values[i]) & 0x7f800000u) == 0x7f800000u;
    if (!bad) continue;
    for (std::size_t i = begin; i < end; ++i)
      if ((float_to_bits(values[i]) & 0x7f800000u) == 0x7f800000u) return i;
  }
  return count;
}

} // namespace headscope::kernels::avx2
