// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/sparse_avx2.h"

#include "kernels/cpu/avx2_math.h"

namespace headscope::kernels::avx2 {
namespace {

// A value of each of 16 queries.
struct Sixteen {
  static constexpr int sums = 6; // that registers have room for
  __m256 low, high;

  static Sixteen all(float x) {
    const __m256 v = _mm256_set1_ps(x);
    return {v, v};
  }
  static Sixteen load(const float* x) { return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
  // The first `count` floats, and zeros.
  static Sixteen load(const float* x, std::int64_t count) {
    return {avx2::load(x, count, 0.0f), count > 8 ? avx2::load(x + 8, count - 8, 0.0f) : _mm256_setzero_ps()};
  }
  void store(float* x) const { _mm256_storeu_ps(x, low), _mm256_storeu_ps(x + 8, high); }

  void add_product(Sixteen a, Sixteen b) {
    low = _mm256_fmadd_ps(a.low, b.low, low), high = _mm256_fmadd_ps(a.high, b.high, high);
  }
  Sixteen times(Sixteen x) const { return {_mm256_mul_ps(low, x.low), _mm256_mul_ps(high, x.high)}; }
  Sixteen plus(Sixteen x) const { return {_mm256_add_ps(low, x.low), _mm256_add_ps(high, x.high)}; }
  Sixteen minus(Sixteen x) const { return {_mm256_sub_ps(low, x.low), _mm256_sub_ps(high, x.high)}; }
  Sixteen larger(Sixteen x) const { return {_mm256_max_ps(low, x.low), _mm256_max_ps(high, x.high)}; }
  Sixteen exponential() const { return {avx2::exponential(low), avx2::exponential(high)}; }
  float largest() const { return max_lanes(_mm256_max_ps(low, high)); }
  Sixteen where_seen(const std::int32_t* slots, std::int32_t key, std::int32_t reach) const {
    return {seen(low, slots, key, reach), seen(high, slots + 8, key, reach)};
  }

private:
  static __m256 seen(__m256 x, const std::int32_t* slots, std::int32_t key, std::int32_t reach) {
    const __m256i before =
        _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(slots)), _mm256_set1_epi32(key));
    const __m256i later = _mm256_cmpgt_epi32(_mm256_setzero_si256(), before);
    const __m256i near = _mm256_cmpgt_epi32(_mm256_set1_epi32(reach), before);
    return _mm256_blendv_ps(_mm256_set1_ps(hidden_score), x, _mm256_castsi256_ps(_mm256_andnot_si256(later, near)));
  }
};

// The length of a key is `fixed`, or `d` where that is 0: known lengths leave registers for sums.
template <int keys, int fixed>
void scores_of(const float* panel, std::int64_t d, const float* rows, float scale, float* out) {
  const std::int64_t length = fixed > 0 ? fixed : d;
  Sixteen sum[keys];
  for (int key = 0; key < keys; ++key)
    sum[key] = Sixteen::all(0.0f);
  for (std::int64_t i = 0; i < length; ++i) {
    const Sixteen queries = Sixteen::load(panel + panel_queries * i);
    for (int key = 0; key < keys; ++key)
      sum[key].add_product(Sixteen::all(rows[key * length + i]), queries);
  }
  for (int key = 0; key < keys; ++key)
    sum[key].times(Sixteen::all(scale)).store(out + panel_queries * key);
}

template <int keys, int fixed>
void scores_by(const float* panel, std::int64_t d, const float*& rows, std::int64_t& count, float scale, float*& out) {
  for (; count >= keys; count -= keys, rows += keys * d, out += keys * panel_queries)
    scores_of<keys, fixed>(panel, d, rows, scale, out);
}

template <int fixed>
void scores_of_length(const float* panel, std::int64_t d, const float* rows, std::int64_t count, float scale,
                      float* out) {
  scores_by<Sixteen::sums, fixed>(panel, d, rows, count, scale, out);
  scores_by<Sixteen::sums / 3, fixed>(panel, d, rows, count, scale, out);
  scores_by<1, fixed>(panel, d, rows, count, scale, out);
}

// Four queries times 16 columns, of which the values have `columns`; all where `whole` is set.
template <bool whole>
void values_of(const float* weights, const float* const* values, std::int64_t column, std::int64_t columns,
               std::int64_t count, const float* factor, float* z, std::int64_t stride) {
  Sixteen sum[4];
  for (int row = 0; row < 4; ++row)
    sum[row] = Sixteen::load(z + row * stride + column).times(Sixteen::all(factor[row]));
  for (std::int64_t key = 0; key < count; ++key) {
    const float* const from = values[key] + column;
    const Sixteen value = whole ? Sixteen::load(from) : Sixteen::load(from, columns);
    for (int row = 0; row < 4; ++row)
      sum[row].add_product(Sixteen::all(weights[panel_queries * key + row]), value);
  }
  for (int row = 0; row < 4; ++row)
    sum[row].store(z + row * stride + column);
}

float sum_lanes(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

template <int keys>
void row_scores_of(const float* q, std::int64_t d, const float* const* rows, float scale, float* out) {
  __m256 sum[keys];
  for (int key = 0; key < keys; ++key)
    sum[key] = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < d; i += 8) {
    const __m256 x = avx2::load(q + i, d - i, 0.0f);
    for (int key = 0; key < keys; ++key)
      sum[key] = _mm256_fmadd_ps(x, avx2::load(rows[key] + i, d - i, 0.0f), sum[key]);
  }
  for (int key = 0; key < keys; ++key)
    out[key] = scale * sum_lanes(sum[key]);
}

template <int vectors>
void row_values_of(const float* weights, const float* const* values, std::int64_t column, std::int64_t count,
                   float factor, float* z) {
  Sixteen sum[vectors];
  for (int n = 0; n < vectors; ++n)
    sum[n] = Sixteen::load(z + column + 16 * n).times(Sixteen::all(factor));
  for (std::int64_t key = 0; key < count; ++key) {
    const Sixteen weight = Sixteen::all(weights[key]);
    for (int n = 0; n < vectors; ++n)
      sum[n].add_product(weight, Sixteen::load(values[key] + column + 16 * n));
  }
  for (int n = 0; n < vectors; ++n)
    sum[n].store(z + column + 16 * n);
}

} // namespace

void key_scores(const float* panel, std::int64_t d, const float* keys, std::int64_t count, float scale, float* out) {
  static_assert(tile_keys % Sixteen::sums == 0 && Sixteen::sums % 3 == 0);
  if (d == 64)
    scores_of_length<64>(panel, d, keys, count, scale, out);
  else if (d == 128)
    scores_of_length<128>(panel, d, keys, count, scale, out);
  else
    scores_of_length<0>(panel, d, keys, count, scale, out);
}

void hide(float* scores, const std::int32_t* keys, const std::int32_t* reach, std::int64_t count,
          const std::int32_t* slots) {
  for (std::int64_t i = 0; i < count; ++i)
    Sixteen::load(scores + panel_queries * i).where_seen(slots, keys[i], reach[i]).store(scores + panel_queries * i);
}

void absorb(float* scores, std::int64_t count, RunningSoftmax& running) {
  const Sixteen before = Sixteen::load(running.largest);
  Sixteen top = before, sum = Sixteen::all(0.0f);
  for (std::int64_t i = 0; i < count; ++i)
    top = top.larger(Sixteen::load(scores + panel_queries * i));
  for (std::int64_t i = 0; i < count; ++i) {
    const Sixteen weight = Sixteen::load(scores + panel_queries * i).minus(top).exponential();
    sum = sum.plus(weight);
    weight.store(scores + panel_queries * i);
  }
  const Sixteen factor = before.minus(top).exponential();
  sum.add_product(Sixteen::load(running.sum), factor);
  sum.store(running.sum), factor.store(running.factor), top.store(running.largest);
}

void add_values(const float* weights, const float* const* values, std::int64_t count, std::int64_t d,
                const float* factor, float* z, std::int64_t stride) {
  for (std::int64_t row = 0; row < panel_queries; row += 4) {
    float* const to = z + row * stride;
    std::int64_t column = 0;
    for (; d - column >= 16; column += 16)
      values_of<true>(weights + row, values, column, 16, count, factor + row, to, stride);
    if (column < d) values_of<false>(weights + row, values, column, d - column, count, factor + row, to, stride);
  }
}

void row_scores(const float* q, std::int64_t d, const float* const* keys, std::int64_t count, float scale, float* out) {
  for (; count >= 4; count -= 4, keys += 4, out += 4)
    row_scores_of<4>(q, d, keys, scale, out);
  for (; count > 0; --count, ++keys, ++out)
    row_scores_of<1>(q, d, keys, scale, out);
}

void absorb_row(float* scores, std::int64_t count, RunningSoftmax& running) {
  const float before = running.largest[0];
  float top = before;
  for (std::int64_t i = 0; i < count; ++i)
    top = scores[i] > top ? scores[i] : top;
  const __m256 shift = _mm256_set1_ps(top);
  __m256 sum = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < count; i += 8) {
    const __m256 weight = exponential(_mm256_sub_ps(avx2::load(scores + i, count - i, hidden_score), shift));
    sum = _mm256_add_ps(sum, weight);
    store(scores + i, count - i, weight);
  }
  running.factor[0] = _mm256_cvtss_f32(exponential(_mm256_set1_ps(before - top)));
  running.sum[0] = running.sum[0] * running.factor[0] + sum_lanes(sum);
  running.largest[0] = top;
}

void add_row_values(const float* weights, const float* const* values, std::int64_t count, std::int64_t d, float factor,
                    float* z) {
  std::int64_t column = 0;
  for (; d - column >= 64; column += 64)
    row_values_of<4>(weights, values, column, count, factor, z);
  for (; d - column >= 16; column += 16)
    row_values_of<1>(weights, values, column, count, factor, z);
  for (; column < d; ++column) {
    z[column] *= factor;
    for (std::int64_t key = 0; key < count; ++key)
      z[column] += weights[key] * values[key][column];
  }
}

void largest_of_lanes(const float* scores, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i)
    out[i] = Sixteen::load(scores + panel_queries * i).largest();
}

} // namespace headscope::kernels::avx2
