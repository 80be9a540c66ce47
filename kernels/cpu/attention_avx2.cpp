// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/attention_avx2.h"

#include <cmath>

#include "kernels/cpu/avx2_math.h"

namespace headscope::kernels::avx2 {
namespace {

// How many floats are summed before they are added to a double.
constexpr std::int64_t chunk = 512;

double sum_lanes(__m256 v) {
  const __m256d wide =
      _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
  const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(wide), _mm256_extractf128_pd(wide, 1));
  return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

void transpose(__m256 (&r)[8]) {
  __m256 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

template <int rows>
void scores_of(const float* q, std::int64_t d, const float* panel, float scale, float* out, std::int64_t stride) {
  __m256 low[rows], high[rows];
  for (int row = 0; row < rows; ++row)
    low[row] = high[row] = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < d; ++i) {
    const __m256 a = _mm256_loadu_ps(panel + panel_keys * i), b = _mm256_loadu_ps(panel + panel_keys * i + 8);
    for (int row = 0; row < rows; ++row) {
      const __m256 x = _mm256_broadcast_ss(q + row * d + i);
      low[row] = _mm256_fmadd_ps(x, a, low[row]);
      high[row] = _mm256_fmadd_ps(x, b, high[row]);
    }
  }
  const __m256 factor = _mm256_set1_ps(scale);
  for (int row = 0; row < rows; ++row) {
    _mm256_storeu_ps(out + row * stride, _mm256_mul_ps(low[row], factor));
    _mm256_storeu_ps(out + row * stride + 8, _mm256_mul_ps(high[row], factor));
  }
}

} // namespace

void pack_panel(const float* keys, std::int64_t stride, std::int64_t count, std::int64_t d, float* panel) {
  for (std::int64_t half = 0; half < 2; ++half) {
    for (std::int64_t i = 0; i < d; i += 8) {
      __m256 r[8];
      for (int j = 0; j < 8; ++j) {
        const std::int64_t key = 8 * half + j;
        r[j] = key < count ? load(keys + key * stride + i, d - i, 0.0f) : _mm256_setzero_ps();
      }
      transpose(r);
      for (int j = 0; j < 8 && i + j < d; ++j)
        _mm256_storeu_ps(panel + panel_keys * (i + j) + 8 * half, r[j]);
    }
  }
}

void scores(const float* q, std::int64_t rows, std::int64_t d, const float* panel, float scale, float* out,
            std::int64_t stride) {
  for (; rows >= 6; rows -= 6, q += 6 * d, out += 6 * stride)
    scores_of<6>(q, d, panel, scale, out, stride);
  for (; rows >= 2; rows -= 2, q += 2 * d, out += 2 * stride)
    scores_of<2>(q, d, panel, scale, out, stride);
  if (rows == 1) scores_of<1>(q, d, panel, scale, out, stride);
}

void soft_cap(float* x, std::int64_t count, float cap) {
  const __m256 factor = _mm256_set1_ps(cap), inverse = _mm256_set1_ps(1.0f / cap);
  for (std::int64_t i = 0; i < count; i += 8)
    store(x + i, count - i, _mm256_mul_ps(factor, tangent(_mm256_mul_ps(load(x + i, count - i, 0.0f), inverse))));
}

SoftmaxSums softmax(float* x, std::int64_t count) {
  const float top = largest(x, count);
  const __m256 shift = _mm256_set1_ps(top);
  double total = 0.0, weighted = 0.0; // sums of e and of e (score - top)
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t end = begin + chunk < count ? begin + chunk : count;
    __m256 sums = _mm256_setzero_ps(), products = _mm256_setzero_ps();
    for (std::int64_t i = begin; i < end; i += 8) {
      const __m256 y = _mm256_sub_ps(load(x + i, end - i, -1e30f), shift), e = exponential(y);
      sums = _mm256_add_ps(sums, e);
      products = _mm256_fmadd_ps(e, y, products);
      store(x + i, end - i, e);
    }
    total += sum_lanes(sums);
    weighted += sum_lanes(products);
  }
  const __m256 inverse = _mm256_set1_ps(static_cast<float>(1.0 / total));
  for (std::int64_t i = 0; i < count; i += 8)
    store(x + i, count - i, _mm256_mul_ps(load(x + i, count - i, 0.0f), inverse));
  const double log_total = std::log(total);
  return {static_cast<double>(top) + log_total, log_total - weighted / total};
}

void add(const float* x, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; i += 8)
    store(to + i, count - i, _mm256_add_ps(load(to + i, count - i, 0.0f), load(x + i, count - i, 0.0f)));
}

void add(const float* x, std::int64_t count, double* to) {
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    _mm256_storeu_pd(to + i, _mm256_add_pd(_mm256_loadu_pd(to + i), _mm256_cvtps_pd(_mm_loadu_ps(x + i))));
  for (; i < count; ++i)
    to[i] += static_cast<double>(x[i]);
}

double sum(const float* x, std::int64_t count) {
  double total = 0.0;
  for (std::int64_t begin = 0; begin < count; begin += chunk) {
    const std::int64_t end = begin + chunk < count ? begin + chunk : count;
    __m256 sums = _mm256_setzero_ps();
    for (std::int64_t i = begin; i < end; i += 8)
      sums = _mm256_add_ps(sums, load(x + i, end - i, 0.0f));
    total += sum_lanes(sums);
  }
  return total;
}

float largest(const float* x, std::int64_t count) {
  __m256 top = load(x, count, x[0]);
  for (std::int64_t i = 8; i < count; i += 8)
    top = _mm256_max_ps(top, load(x + i, count - i, x[0]));
  return max_lanes(top);
}

std::int64_t last_above(const float* x, std::int64_t count, float bound) {
  const __m256 limit = _mm256_set1_ps(bound);
  for (; count % 8 != 0; --count)
    if (x[count - 1] > bound) return count - 1;
  for (; count > 0; count -= 8) {
    const int above = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + count - 8), limit, _CMP_GT_OQ));
    if (above != 0) return count - 8 + (31 - __builtin_clz(static_cast<unsigned>(above)));
  }
  return -1;
}

} // namespace headscope::kernels::avx2
