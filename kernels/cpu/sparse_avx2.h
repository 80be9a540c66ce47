// SPDX-License-Identifier: GPL-3.0-or-later
// The inner loops of sparse_attention() and hip_keys(), only for CPUs with AVX2 and FMA, which the files that call them
// check. 16 queries lie side by side, so that a softmax needs no sums across lanes.
#pragma once

#include <cstdint>

namespace headscope::kernels::avx2 {

constexpr std::int64_t panel_queries = 16;
constexpr std::int64_t tile_keys = 48; // at a time: a multiple of what registers hold, and near the first cache's size
constexpr float hidden_score = -1e30f, least_score = -1e29f; // of a key that is not seen; of a query without keys

// The running softmax of 16 queries.
struct RunningSoftmax {
  float largest[panel_queries], sum[panel_queries], factor[panel_queries]; // factor: of what was summed before
  void clear() {
    for (std::int64_t lane = 0; lane < panel_queries; ++lane)
      largest[lane] = least_score, sum[lane] = 0.0f, factor[lane] = 1.0f;
  }
};

// Computes out[key, 0..15] = scale * keys[key] . panel, panel: [d, 16], keys: [count, d].
void key_scores(const float* panel, std::int64_t d, const float* keys, std::int64_t count, float scale, float* out);

// Hides what lane `i` does not see: keys after slots[i], and those `reach[key]` or more before it.
void hide(float* scores, const std::int32_t* keys, const std::int32_t* reach, std::int64_t count,
          const std::int32_t* slots);

// Turns scores [count, 16] into weights relative to the largest score so far.
void absorb(float* scores, std::int64_t count, RunningSoftmax& running);

// Computes z[0..15] = z * factor + weights^T values; weights: [count, 16], z: rows `stride` apart, of which the first
// d, rounded up to 16, are written.
void add_values(const float* weights, const float* const* values, std::int64_t count, std::int64_t d,
                const float* factor, float* z, std::int64_t stride);

// The same for one query, whose elements lie side by side: of the others' lanes nothing could be made.
void row_scores(const float* q, std::int64_t d, const float* const* keys, std::int64_t count, float scale, float* out);
void absorb_row(float* scores, std::int64_t count, RunningSoftmax& running); // its first lane
void add_row_values(const float* weights, const float* const* values, std::int64_t count, std::int64_t d, float factor,
                    float* z);

// The largest score of each key over all lanes: out[key].
void largest_of_lanes(const float* scores, std::int64_t count, float* out);

} // namespace headscope::kernels::avx2
