// SPDX-License-Identifier: GPL-3.0-or-later
// Between attention_statistics.cu, which checks and clears, and the files that hold the kernels of one element type.
#pragma once

#include <cuda_runtime.h>

#include "kernels/attention_statistics.h"

namespace headscope::kernels::cuda {

// A sum over queries, as a multiple of 2^-40.
using Fixed = unsigned long long;
constexpr double fixed_one = 1099511627776.0;

struct AttentionParams {
  const void *q, *k;
  HeadStrides q_strides, k_strides;
  const std::int64_t* key_begin;
  int heads, group, d_head, queries, keys;
  int window, query_offset;
  float factor;               // dot product to score, in units of log 2; 1 after a soft cap
  float cap_inner, cap_outer; // score = cap_outer tanh(cap_inner dot); 0: no soft cap
  float* lse;                 // written by the first pass, read by the second
  float* bound;               // likewise; null: none
  Fixed* key_sum;
  float* entropy;
  Fixed* stripe;
  float* span_mass;
  std::int32_t* top_key;
  float* top_weight;
  Fixed* pool_sum;
  float* pool_max;
  int distance_count, span_count, top_k, pool_block;
  int distances[max_distances];
  int span_begin[max_spans], span_end[max_spans];
};

enum class AttentionPass { lse, bound, statistics };

cudaError_t launch_bf16(AttentionPass pass, const AttentionParams& params, int batch, cudaStream_t stream);
cudaError_t launch_f16(AttentionPass pass, const AttentionParams& params, int batch, cudaStream_t stream);
cudaError_t launch_f32(AttentionPass pass, const AttentionParams& params, int batch, cudaStream_t stream);

} // namespace headscope::kernels::cuda
