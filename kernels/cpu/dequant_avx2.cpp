// SPDX-License-Identifier: GPL-3.0-or-later
// Compiled with AVX2 and F16C and without contraction to fused multiply-add, so that every product is rounded as in the
// reference. Types that the compiler vectorises well by itself share the reference's text; the others, whose elements
// are assembled from bit fields, are written out here, sixteen elements at a time.
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

__m128i load_bytes(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

// Extracts bits [shift, shift + width) of each byte; `mask` gives the width.
__m128i bits_of(__m128i bytes, int shift, char mask) {
  return _mm_and_si128(_mm_srl_epi16(bytes, _mm_cvtsi32_si128(shift)), _mm_set1_epi8(mask));
}

// Sets byte i to 16 where bit i is set, otherwise to 0.
__m128i fifth_bits(std::uint32_t bits) {
  const __m128i spread = _mm_shuffle_epi8(_mm_set1_epi16(static_cast<short>(bits & 0xffffu)),
                                          _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const __m128i own = _mm_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
  return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(spread, own), own), _mm_set1_epi8(16));
}

__m256 floats_of(__m128i low_eight) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low_eight)); }

// Computes sixteen signed bytes times a scale, plus an offset.
void scaled(__m128i q, float scale, float* y) {
  const __m256 s = _mm256_set1_ps(scale);
  _mm256_storeu_ps(y, _mm256_mul_ps(floats_of(q), s));
  _mm256_storeu_ps(y + 8, _mm256_mul_ps(floats_of(_mm_srli_si128(q, 8)), s));
}
void affine(__m128i q, float scale, float offset, float* y) {
  const __m256 s = _mm256_set1_ps(scale), o = _mm256_set1_ps(offset);
  _mm256_storeu_ps(y, _mm256_add_ps(_mm256_mul_ps(floats_of(q), s), o));
  _mm256_storeu_ps(y + 8, _mm256_add_ps(_mm256_mul_ps(floats_of(_mm_srli_si128(q, 8)), s), o));
}

void q4_0(const std::uint8_t* b, float* y) {
  const __m128i q = load_bytes(b + 2), eight = _mm_set1_epi8(8);
  const float d = blocks::load_half(b);
  scaled(_mm_sub_epi8(bits_of(q, 0, 15), eight), d, y);
  scaled(_mm_sub_epi8(bits_of(q, 4, 15), eight), d, y + 16);
}

void q4_1(const std::uint8_t* b, float* y) {
  const __m128i q = load_bytes(b + 4);
  const float d = blocks::load_half(b), m = blocks::load_half(b + 2);
  affine(bits_of(q, 0, 15), d, m, y);
  affine(bits_of(q, 4, 15), d, m, y + 16);
}

void q5_0(const std::uint8_t* b, float* y) {
  const __m128i q = load_bytes(b + 6), sixteen = _mm_set1_epi8(16);
  const float d = blocks::load_half(b);
  const std::uint32_t high = blocks::load32(b + 2);
  scaled(_mm_sub_epi8(_mm_or_si128(bits_of(q, 0, 15), fifth_bits(high)), sixteen), d, y);
  scaled(_mm_sub_epi8(_mm_or_si128(bits_of(q, 4, 15), fifth_bits(high >> 16)), sixteen), d, y + 16);
}

void q5_1(const std::uint8_t* b, float* y) {
  const __m128i q = load_bytes(b + 8);
  const float d = blocks::load_half(b), m = blocks::load_half(b + 2);
  const std::uint32_t high = blocks::load32(b + 4);
  affine(_mm_or_si128(bits_of(q, 0, 15), fifth_bits(high)), d, m, y);
  affine(_mm_or_si128(bits_of(q, 4, 15), fifth_bits(high >> 16)), d, m, y + 16);
}

void iq4_nl(const std::uint8_t* b, float* y) {
  const __m128i q = load_bytes(b + 2);
  const __m128i values = _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  const float d = blocks::load_half(b);
  scaled(_mm_shuffle_epi8(values, bits_of(q, 0, 15)), d, y);
  scaled(_mm_shuffle_epi8(values, bits_of(q, 4, 15)), d, y + 16);
}

void q2_k(const std::uint8_t* b, float* y) {
  const float d = blocks::load_half(b + 80), dmin = blocks::load_half(b + 82);
  for (int group = 0; group < 16; ++group) { // sixteen elements with one scale
    const __m128i q = load_bytes(b + 16 + group / 8 * 32 + group % 2 * 16);
    affine(bits_of(q, group % 8 / 2 * 2, 3), d * static_cast<float>(b[group] & 0xf),
           -(dmin * static_cast<float>(b[group] >> 4)), y + 16 * group);
  }
}

void q3_k(const std::uint8_t* b, float* y) {
  const float d = blocks::load_half(b + 108);
  std::int8_t scales[16];
  blocks::q3_k_scales(b + 96, scales);
  for (int group = 0; group < 16; ++group) {
    const __m128i q = load_bytes(b + 32 + group / 8 * 32 + group % 2 * 16);
    const __m128i high = bits_of(load_bytes(b + group % 2 * 16), group / 2, 1);
    const __m128i four = _mm_slli_epi16(_mm_xor_si128(high, _mm_set1_epi8(1)), 2);
    scaled(_mm_sub_epi8(bits_of(q, group % 8 / 2 * 2, 3), four), d * static_cast<float>(scales[group]), y + 16 * group);
  }
}

void q6_k(const std::uint8_t* b, float* y) {
  const auto* scales = reinterpret_cast<const std::int8_t*>(b + 192);
  const float d = blocks::load_half(b + 208);
  for (int group = 0; group < 16; ++group) {
    const int half = group / 8, part = group % 8;
    const __m128i low = bits_of(load_bytes(b + 64 * half + 16 * (part % 4)), part / 4 * 4, 15);
    const __m128i high = bits_of(load_bytes(b + 128 + 32 * half + 16 * (part % 2)), part / 2 * 2, 3);
    scaled(_mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(high, 4)), _mm_set1_epi8(32)),
           d * static_cast<float>(scales[group]), y + 16 * group);
  }
}

} // namespace

void dequantise(QuantType type, const void* data, std::size_t count, float* out) {
  switch (type) {
  case QuantType::f16: return widen_f16(static_cast<const std::uint8_t*>(data), count, out);
  case QuantType::f32: std::memcpy(out, data, 4 * count); return;
  case QuantType::q4_0: return blocks::each<q4_0, 32, 18>(data, count, out);
  case QuantType::q4_1: return blocks::each<q4_1, 32, 20>(data, count, out);
  case QuantType::q5_0: return blocks::each<q5_0, 32, 22>(data, count, out);
  case QuantType::q5_1: return blocks::each<q5_1, 32, 24>(data, count, out);
  case QuantType::iq4_nl: return blocks::each<iq4_nl, 32, 18>(data, count, out);
  case QuantType::q2_k: return blocks::each<q2_k, 256, 84>(data, count, out);
  case QuantType::q3_k: return blocks::each<q3_k, 256, 110>(data, count, out);
  case QuantType::q6_k: return blocks::each<q6_k, 256, 210>(data, count, out);
  default: return blocks::dispatch(type, data, count, out);
  }
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

std::size_t first_from(const float* values, std::size_t count, std::uint32_t magnitude) {
  constexpr std::size_t chunk = 4096;
  for (std::size_t begin = 0; begin < count; begin += chunk) {
    const std::size_t end = begin + chunk < count ? begin + chunk : count;
    unsigned bad = 0;
    for (std::size_t i = begin; i < end; ++i)
      bad |= (float_to_bits(values[i]) & 0x7fffffffu) >= magnitude;
    if (!bad) continue;
    for (std::size_t i = begin; i < end; ++i)
      if ((float_to_bits(values[i]) & 0x7fffffffu) >= magnitude) return i;
  }
  return count;
}

} // namespace headscope::kernels::avx2
