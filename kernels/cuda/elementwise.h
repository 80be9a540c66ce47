// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a transformer block between its matrix products, each as one pass over memory. They round where the
// plain sequence of tensor operations rounds, so that both give the same numbers. No CUDA header is needed to call
// them. All pointers are device memory, rows are contiguous, and lengths of rows multiples of 4. Each runs on `stream`
// (a cudaStream_t, null: the default one) and returns at once: 0 or the cudaError_t of the launch.
#pragma once

#include <cstdint>

namespace headscope::kernels::cuda {

enum class Element { f32, bf16, f16 };

// Computes out = x / sqrt(mean(x^2) + eps), rounded, times weight [d] (null: none), rounded again; with `weight_first`
// rounded once, after the weight. x, out: [rows, d].
int rms_norm(Element element, const void* x, const void* weight, bool weight_first, float eps, std::int64_t rows,
             std::int64_t d, void* out, void* stream);

enum class Gate { silu, gelu, gelu_tanh, relu };
// Computes out = gate(in[:, :d]) * in[:, d:]. in: [rows, 2 d], out: [rows, d].
int gated(Element element, Gate gate, const void* in, std::int64_t rows, std::int64_t d, void* out, void* stream);

// Rotates the first `dim` of d_head in halves. x: [rows, heads, d_head], `stride` elements from row to row; out:
// contiguous. cosine, sine: [table_rows, dim]; row r takes their row r % table_rows. stride, d_head and dim / 2:
// multiples of 4.
int rotary(Element element, const void* x, std::int64_t stride, const void* cosine, const void* sine,
           std::int64_t table_rows, std::int64_t rows, int heads, int d_head, int dim, void* out, void* stream);

// Splits float32 into two half-precision values: x * scale = high + low / 2048. out: f16 [rows, 2 d]; a row has its
// high values then its low ones, or the reverse.
int split_halves(const float* x, float scale, bool low_first, std::int64_t rows, std::int64_t d, void* out,
                 void* stream);
// Splits gate(x + bias) in the same way, high values first. bias: [d], or null.
int split_activated(const float* x, const float* bias, Gate gate, float scale, std::int64_t rows, std::int64_t d,
                    void* out, void* stream);

// Computes out = x + bias + other, from left to right. bias: [d], other: [rows, d]; null: none. out may be x.
int add_rows(const float* x, const float* bias, const float* other, std::int64_t rows, std::int64_t d, float* out,
             void* stream);

} // namespace headscope::kernels::cuda
