// SPDX-License-Identifier: GPL-3.0-or-later
// Eight floats at a time: loads and stores of fewer, exp and tanh. For files that are compiled for AVX2 and FMA, and
// internal to each that includes it.
#pragma once

#include <cstdint>
#include <immintrin.h>

namespace headscope::kernels::avx2 {
namespace {

inline __m256i lanes_below(std::int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
}

// Loads the first `count` floats (all 8 if there are more), and `rest` into the other lanes.
inline __m256 load(const float* x, std::int64_t count, float rest) {
  if (count >= 8) return _mm256_loadu_ps(x);
  const __m256i mask = lanes_below(count);
  return _mm256_blendv_ps(_mm256_set1_ps(rest), _mm256_maskload_ps(x, mask), _mm256_castsi256_ps(mask));
}

inline void store(float* x, std::int64_t count, __m256 value) {
  if (count >= 8)
    _mm256_storeu_ps(x, value);
  else
    _mm256_maskstore_ps(x, lanes_below(count), value);
}

inline float max_lanes(__m256 v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// Computes exp to about one unit in the last place for x <= 88; 0 below the smallest normal number. Uses Cody and
// Waite's reduction with Cephes's polynomial.
inline __m256 exponential(__m256 x) {
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  const __m256 normal = _mm256_cmp_ps(x, _mm256_set1_ps(-87.3f), _CMP_GE_OQ);
  return _mm256_and_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(power)), normal);
}

// Computes tanh, by its series near zero, where 1 - 2 / (exp(2x) + 1) loses digits.
inline __m256 tangent(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f), two = _mm256_set1_ps(2.0f);
  const __m256 bounded = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(10.0f)), _mm256_set1_ps(-10.0f));
  const __m256 far =
      _mm256_sub_ps(one, _mm256_div_ps(two, _mm256_add_ps(exponential(_mm256_mul_ps(two, bounded)), one)));
  const __m256 square = _mm256_mul_ps(x, x);
  __m256 near = _mm256_set1_ps(-1382.0f / 155925.0f);
  near = _mm256_fmadd_ps(near, square, _mm256_set1_ps(62.0f / 2835.0f));
  near = _mm256_fmadd_ps(near, square, _mm256_set1_ps(-17.0f / 315.0f));
  near = _mm256_fmadd_ps(near, square, _mm256_set1_ps(2.0f / 15.0f));
  near = _mm256_fmadd_ps(near, square, _mm256_set1_ps(-1.0f / 3.0f));
  near = _mm256_fmadd_ps(_mm256_mul_ps(near, square), x, x);
  return _mm256_blendv_ps(far, near, _mm256_cmp_ps(square, _mm256_set1_ps(0.09f), _CMP_LT_OQ));
}

} // namespace
} // namespace headscope::kernels::avx2
