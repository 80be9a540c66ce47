// SPDX-License-Identifier: GPL-3.0-or-later
// Sparse attention of float32 by multiply-adds. A block of 4 warps owns 32 queries (16 where the head dimension is
// above 128, to fit into shared memory); in scores a thread has one key of its warp's queries, in values some columns.
#include "kernels/cuda/sparse_tiles.cuh"

namespace headscope::kernels::cuda {
namespace {

constexpr int tile = 32;

template <int D> constexpr int rows_of = D <= 128 ? 32 : 16;

template <int D> constexpr int length = row_length<float, D>;
template <int D>
constexpr int bytes = (rows_of<D> + 4 * tile) * length<D> * 4 + (tile * rows_of<D> + 3 * tile) * 4 +
                      static_cast<int>(sizeof(RunTable) + sizeof(BlockQueries<rows_of<D>>));

__device__ inline float dot4(const float4& a, const float4& b, float c) {
  return fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, c))));
}

template <int D> struct FloatRows {
  static constexpr int warp_rows = rows_of<D> / warps;
  static constexpr int columns = D / 32; // of a thread: lane + 32 i
  float z[warp_rows][columns], largest[warp_rows], sum[warp_rows];

  __device__ void clear() {
#pragma unroll
    for (int r = 0; r < warp_rows; ++r) {
#pragma unroll
      for (int i = 0; i < columns; ++i)
        z[r][i] = 0.0f;
      largest[r] = no_weight, sum[r] = 0.0f;
    }
  }

  // `weights`: room for [tile][warp_rows] of this warp.
  __device__ void add(const SparseParams& p, const SparsePlace& at, const float* q, const int* keys, const float* k,
                      const float* v, float* weights, const int* slots) {
    const int lane = threadIdx.x % 32;
    float x[warp_rows] = {};
    for (int i = 0; i < p.d_head; i += 4) {
      const float4 key = *reinterpret_cast<const float4*>(k + lane * length<D> + i);
#pragma unroll
      for (int r = 0; r < warp_rows; ++r)
        x[r] = dot4(*reinterpret_cast<const float4*>(q + r * length<D> + i), key, x[r]);
    }
#pragma unroll
    for (int r = 0; r < warp_rows; ++r) {
      if (p.cap_outer > 0.0f) x[r] = capped(x[r], p, 0.0f);
      if (!at.seen(p, slots[r], keys[lane])) x[r] = -INFINITY;
      const float next = fmaxf(largest[r], largest_of_warp(x[r]) * p.factor), scale = exp2_of(largest[r] - next);
      largest[r] = next;
      const float weight = exp2_of(fmaf(x[r], p.factor, -next));
      sum[r] = fmaf(sum[r], scale, weight);
      weights[lane * warp_rows + r] = weight;
#pragma unroll
      for (int i = 0; i < columns; ++i)
        z[r][i] *= scale;
    }
    __syncwarp();
#pragma unroll 4
    for (int key = 0; key < tile; ++key) {
      float w[warp_rows];
#pragma unroll
      for (int r = 0; r < warp_rows; r += 4)
        *reinterpret_cast<float4*>(w + r) = *reinterpret_cast<const float4*>(weights + key * warp_rows + r);
#pragma unroll
      for (int i = 0; i < columns; ++i) {
        const float value = v[key * length<D> + lane + 32 * i];
#pragma unroll
        for (int r = 0; r < warp_rows; ++r)
          z[r][i] = fmaf(w[r], value, z[r][i]);
      }
    }
    __syncwarp();
  }
};

template <int D> __global__ void __launch_bounds__(threads) sparse_pass(const SparseParams p, int tiles) {
  constexpr int rows = rows_of<D>, warp_rows = rows / warps;
  extern __shared__ __align__(16) float memory[];
  float* const buffers = memory + rows * length<D>;
  float* const weights = buffers + 4 * tile * length<D>;
  int* const keys = reinterpret_cast<int*>(weights + warps * tile * warp_rows);
  RunTable& table = *reinterpret_cast<RunTable*>(keys + 3 * tile);
  const SparsePlace at(p, tiles, reinterpret_cast<BlockQueries<rows>&>(*(&table + 1)));
  if (at.count == 0) return;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const float* const q = static_cast<const float*>(p.q) + at.row * p.q_strides.batch + at.head * p.q_strides.head;
  load_queries<float, D, rows>(memory, q, p.q_strides.pos, at.query, p.d_head); // walk() waits
  commit_copies();
  FloatRows<D> mine;
  mine.clear();
  const SparseTiles<float, D, tile> gather{buffers, reinterpret_cast<int(*)[tile]>(keys), table};
  gather.walk(p, at, [&](const int* of_tile, const float* k, const float* v) {
    mine.add(p, at, memory + warp * warp_rows * length<D>, of_tile, k, v, weights + warp * tile * warp_rows,
             at.slot + warp * warp_rows);
  });
  float* const z = static_cast<float*>(p.z) + at.row * p.z_strides.batch + at.head * p.z_strides.head;
#pragma unroll
  for (int r = 0; r < warp_rows; ++r) {
    const int query = at.query[warp * warp_rows + r];
    const float sum = over_warp(mine.sum[r]), inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
    if (query < 0) continue;
#pragma unroll
    for (int i = 0; i < FloatRows<D>::columns; ++i)
      if (lane + 32 * i < p.d_head) z[query * p.z_strides.pos + lane + 32 * i] = mine.z[r][i] * inverse;
    if (p.lse && lane == 0)
      p.lse[(static_cast<std::int64_t>(at.row) * p.heads + at.head) * p.queries + query] =
          sum > 0.0f ? (mine.largest[r] + log2f(sum)) * ln_2 : -INFINITY;
  }
}

template <int D> cudaError_t launch(const SparseParams& p, int batch, cudaStream_t stream) {
  const auto kernel = sparse_pass<D>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes<D>);
  if (error != cudaSuccess) return error;
  const int tiles = (static_cast<int>(p.visited.block_q) + rows_of<D> - 1) / rows_of<D>;
  kernel<<<dim3(static_cast<unsigned>(p.blocks * tiles), static_cast<unsigned>(p.heads), static_cast<unsigned>(batch)),
           threads, bytes<D>, stream>>>(p, tiles);
  return cudaGetLastError();
}

} // namespace

cudaError_t launch_sparse_f32(const SparseParams& p, int batch, cudaStream_t stream) {
  if (p.d_head <= 64) return launch<64>(p, batch, stream);
  if (p.d_head <= 128) return launch<128>(p, batch, stream);
  return launch<256>(p, batch, stream);
}

} // namespace headscope::kernels::cuda
