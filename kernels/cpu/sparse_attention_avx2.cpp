// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/sparse_attention_avx2.h"

#include "kernels/cpu/avx2_math.h"

namespace headscope::kernels::avx2 {
namespace {

template <int keys>
void scores_of(const float* panel, std::int64_t d, const float* const* rows, __m256 scale, float* out) {
  __m256 low[keys], high[keys];
  for (int key = 0; key < keys; ++key)
    low[key] = high[key] = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < d; ++i) {
    const __m256 a = _mm256_loadu_ps(panel + panel_queries * i), b = _mm256_loadu_ps(panel + panel_queries * i + 8);
    for (int key = 0; key < keys; ++key) {
      const __m256 x = _mm256_broadcast_ss(rows[key] + i);
      low[key] = _mm256_fmadd_ps(x, a, low[key]);
      high[key] = _mm256_fmadd_ps(x, b, high[key]);
    }
  }
  for (int key = 0; key < keys; ++key) {
    _mm256_storeu_ps(out + panel_queries * key, _mm256_mul_ps(low[key], scale));
    _mm256_storeu_ps(out + panel_queries * key + 8, _mm256_mul_ps(high[key], scale));
  }
}

// Four queries times 8 * vectors columns; `last` is how many columns the last vector has.
template <int vectors>
void values_of(const float* weights, const float* const* values, std::int64_t column, std::int64_t last,
               std::int64_t count, const float* factor, float* z, std::int64_t stride) {
  __m256 sum[4][vectors];
  for (int row = 0; row < 4; ++row)
    for (int n = 0; n < vectors; ++n)
      sum[row][n] =
          _mm256_mul_ps(_mm256_loadu_ps(z + row * stride + column + 8 * n), _mm256_broadcast_ss(factor + row));
  for (std::int64_t key = 0; key < count; ++key) {
    __m256 value[vectors];
    for (int n = 0; n < vectors; ++n)
      value[n] = n + 1 < vectors ? _mm256_loadu_ps(values[key] + column + 8 * n)
                                 : load(values[key] + column + 8 * n, last, 0.0f);
    for (int row = 0; row < 4; ++row) {
      const __m256 weight = _mm256_broadcast_ss(weights + panel_queries * key + row);
      for (int n = 0; n < vectors; ++n)
        sum[row][n] = _mm256_fmadd_ps(weight, value[n], sum[row][n]);
    }
  }
  for (int row = 0; row < 4; ++row)
    for (int n = 0; n < vectors; ++n)
      _mm256_storeu_ps(z + row * stride + column + 8 * n, sum[row][n]);
}

} // namespace

void key_scores(const float* panel, std::int64_t d, const float* const* keys, std::int64_t count, float scale,
                float* out) {
  const __m256 factor = _mm256_set1_ps(scale);
  for (; count >= 6; count -= 6, keys += 6, out += 6 * panel_queries)
    scores_of<6>(panel, d, keys, factor, out);
  for (; count >= 2; count -= 2, keys += 2, out += 2 * panel_queries)
    scores_of<2>(panel, d, keys, factor, out);
  if (count == 1) scores_of<1>(panel, d, keys, factor, out);
}

void hide(float* scores, const std::int32_t* keys, const std::int32_t* reach, std::int64_t count,
          const std::int32_t* slots) {
  const __m256 hidden = _mm256_set1_ps(hidden_score);
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t half = 0; half < panel_queries; half += 8) {
      const __m256i before = _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots + half)),
                                              _mm256_set1_epi32(keys[i]));
      const __m256i later = _mm256_cmpgt_epi32(_mm256_setzero_si256(), before);
      const __m256i near = _mm256_cmpgt_epi32(_mm256_set1_epi32(reach[i]), before);
      float* const at = scores + panel_queries * i + half;
      const __m256 seen = _mm256_castsi256_ps(_mm256_andnot_si256(later, near));
      _mm256_storeu_ps(at, _mm256_blendv_ps(hidden, _mm256_loadu_ps(at), seen));
    }
}

void Running::clear() {
  for (std::int64_t lane = 0; lane < panel_queries; ++lane)
    largest[lane] = least_score, sum[lane] = 0.0f, factor[lane] = 1.0f;
}

void absorb(float* scores, std::int64_t count, Running& running) {
  for (std::int64_t half = 0; half < panel_queries; half += 8) {
    float* const at = scores + half;
    const __m256 before = _mm256_loadu_ps(running.largest + half);
    __m256 top = before;
    for (std::int64_t i = 0; i < count; ++i)
      top = _mm256_max_ps(top, _mm256_loadu_ps(at + panel_queries * i));
    __m256 sum = _mm256_setzero_ps();
    for (std::int64_t i = 0; i < count; ++i) {
      const __m256 weight = exponential(_mm256_sub_ps(_mm256_loadu_ps(at + panel_queries * i), top));
      sum = _mm256_add_ps(sum, weight);
      _mm256_storeu_ps(at + panel_queries * i, weight);
    }
    const __m256 factor = exponential(_mm256_sub_ps(before, top));
    _mm256_storeu_ps(running.sum + half, _mm256_fmadd_ps(_mm256_loadu_ps(running.sum + half), factor, sum));
    _mm256_storeu_ps(running.factor + half, factor);
    _mm256_storeu_ps(running.largest + half, top);
  }
}

void add_values(const float* weights, const float* const* values, std::int64_t count, std::int64_t d,
                const float* factor, float* z, std::int64_t stride) {
  for (std::int64_t column = 0; column < d; column += 16)
    for (std::int64_t row = 0; row < panel_queries; row += 4) {
      float* const to = z + row * stride;
      if (d - column > 8)
        values_of<2>(weights + row, values, column, d - column - 8, count, factor + row, to, stride);
      else
        values_of<1>(weights + row, values, column, d - column, count, factor + row, to, stride);
    }
}

void largest_of_lanes(const float* scores, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = max_lanes(
        _mm256_max_ps(_mm256_loadu_ps(scores + panel_queries * i), _mm256_loadu_ps(scores + panel_queries * i + 8)));
}

} // namespace headscope::kernels::avx2
