// SPDX-License-Identifier: GPL-3.0-or-later
// The inner loops of attention_statistics(), only for CPUs with AVX2 and FMA, which attention_statistics.cpp checks.
#pragma once

#include <cstdint>

namespace headscope::kernels::avx2 {

constexpr std::int64_t panel_keys = 16;

// Packs keys, `count` <= 16 rows of d floats, `stride` apart, into panel [d, 16], with zeros where keys are missing.
void pack_panel(const float* keys, std::int64_t stride, std::int64_t count, std::int64_t d, float* panel);

// Computes out[row, 0..15] = scale * q[row] . panel; q: [rows, d], out: rows `stride` apart.
void scores(const float* q, std::int64_t rows, std::int64_t d, const float* panel, float scale, float* out,
            std::int64_t stride);

// Computes x = cap tanh(x / cap) in place.
void soft_cap(float* x, std::int64_t count, float cap);

struct SoftmaxSums {
  double lse = 0.0, entropy = 0.0;
};
// Turns scores into weights, in place.
SoftmaxSums softmax(float* scores, std::int64_t count);

void add(const float* x, std::int64_t count, float* to);
void add(const float* x, std::int64_t count, double* to);
double sum(const float* x, std::int64_t count);
float largest(const float* x, std::int64_t count);

// The largest index whose value is above `bound`, or -1.
std::int64_t last_above(const float* x, std::int64_t count, float bound);

} // namespace headscope::kernels::avx2
