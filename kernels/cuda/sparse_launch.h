// SPDX-License-Identifier: GPL-3.0-or-later
// Between sparse_attention.cu, which checks, and the files that hold the kernels of one element type.
#pragma once

#include <cuda_runtime.h>

#include "kernels/hip_keys.h"
#include "kernels/sparse_attention.h"

namespace headscope::kernels::cuda {

struct SparseParams {
  const void *q, *k, *v;
  void* z;
  float* lse;
  HeadStrides q_strides, k_strides, v_strides, z_strides;
  const std::int64_t* key_begin;
  KeyRuns visited;
  QueryOrder order;
  int heads, group, d_head, queries, places, per_slot, keys, query_offset, blocks, k_stride,
      v_stride;                  // strides: between keys
  int window, own_window, sinks; // of the model; of SparseProblem
  float factor;                  // dot product to score, in units of log 2; 1 after a soft cap
  float cap_inner, cap_outer;    // score = cap_outer tanh(cap_inner dot); 0: no soft cap
};

cudaError_t launch_sparse_bf16(const SparseParams& params, int batch, cudaStream_t stream);
cudaError_t launch_sparse_f16(const SparseParams& params, int batch, cudaStream_t stream);
cudaError_t launch_sparse_f32(const SparseParams& params, int batch, cudaStream_t stream);

} // namespace headscope::kernels::cuda
