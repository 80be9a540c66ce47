// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of one warp's queries against 16 keys of a tile of 64, as K Q^T: each thread ends up with a few keys of a few
// queries. The transposed product makes sums over queries (for each key) cheap, and those are needed at every tile,
// while sums over keys (for each query) stay in registers until the last tile.
//
// Thread `lane` of a warp holds dot[n][e], with g = lane / 4 and t = lane % 4:
//   key g + 8 (e / 2) of the 16, query 8 n + 2 t + e % 2: the accumulator layout of mma.m16n8k16.
#pragma once

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace headscope::kernels::cuda {

constexpr int tile_keys = 64, chunks = tile_keys / 16, warps = 4, threads = 32 * warps;
constexpr int blocks_a_multiprocessor = 3; // as many registers as that leaves: 168

// D is the head dimension that shared memory and registers have room for.
template <int D> struct Queries {
  static constexpr int tiles = D <= 128 ? 4 : 2; // of 8 queries, a warp
  static constexpr int slots = 2 * tiles;        // queries that one thread has keys of
  static constexpr int warp = 8 * tiles;
  static constexpr int block = warps * warp;
};

// Products with 16 keys: the next 16 are multiplied while these are used, so that tensor cores and the other units work
// at the same time.
template <int D> using Dots = float[Queries<D>::tiles][4];

template <int D> __device__ inline void clear(Dots<D>& dot) {
#pragma unroll
  for (int n = 0; n < Queries<D>::tiles; ++n)
    dot[n][0] = dot[n][1] = dot[n][2] = dot[n][3] = 0.0f;
}

// Rows are 16 bytes longer than their content, so that 8 rows at the same column are in different banks.
template <typename T, int D> constexpr int row_length = D + 16 / static_cast<int>(sizeof(T));

__device__ inline void copy_async(void* to, const void* from, bool valid) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = valid ? 16 : 0; // the rest is filled with zeros
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes) : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Copies rows [begin, begin + rows) to shared memory, with zeros from row `end` on and past column d_head.
template <typename T, int D, int rows>
__device__ inline void load_rows(T* to, const T* from, std::int64_t stride, int begin, int end, int d_head) {
  constexpr int per_copy = 16 / sizeof(T), columns = D / per_copy;
  static_assert(rows * columns % threads == 0);
#pragma unroll
  for (int i = 0; i < rows * columns / threads; ++i) {
    const int at = i * threads + static_cast<int>(threadIdx.x), row = at / columns, column = at % columns * per_copy;
    const bool valid = begin + row < end && column < d_head;
    copy_async(to + row * row_length<T, D> + column, from + (valid ? (begin + row) * stride + column : 0), valid);
  }
}

__device__ inline void load_matrices(unsigned (&r)[4], const void* row) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

__device__ inline void multiply(float (&c)[4], const unsigned (&a)[4], const unsigned* b, __nv_bfloat16) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void multiply(float (&c)[4], const unsigned (&a)[4], const unsigned* b, __half) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// 16-bit elements on tensor cores: queries stay in registers, keys come through two buffers.
template <typename T, int D> struct Scores {
  static constexpr int buffers = 2, steps = D / 16, tiles = Queries<D>::tiles;
  static constexpr int shared_rows = // the queries pass through the buffers of the keys
      buffers * tile_keys > Queries<D>::block ? buffers* tile_keys : Queries<D>::block;

  unsigned q[steps][tiles][2];

  __device__ static T* key_buffer(T* shared, int tile) { return shared + tile % 2 * tile_keys * row_length<T, D>; }

  __device__ void take_queries(T* shared, const T* from, std::int64_t stride, int begin, int end, int d_head) {
    load_rows<T, D, Queries<D>::block>(shared, from, stride, begin, end, d_head);
    commit_copies();
    wait_for_copies();
    __syncthreads();
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const T* row = shared + (warp * Queries<D>::warp + lane % 8 + lane / 16 * 8) * row_length<T, D> + lane / 8 % 2 * 8;
#pragma unroll
    for (int step = 0; step < steps; ++step)
#pragma unroll
      for (int n = 0; n < tiles; n += 2) {
        unsigned r[4];
        load_matrices(r, row + n * 8 * row_length<T, D> + step * 16);
        q[step][n][0] = r[0], q[step][n][1] = r[1], q[step][n + 1][0] = r[2], q[step][n + 1][1] = r[3];
      }
    __syncthreads();
  }

  // Adds one step's share of the product with 16 keys; `keys` points to the first of their rows.
  __device__ void add_step(Dots<D>& dot, int step, const T* keys, const T*, int) const {
    const int lane = threadIdx.x % 32;
    unsigned a[4];
    load_matrices(a, keys + lane % 16 * row_length<T, D> + lane / 16 * 8 + step * 16);
#pragma unroll
    for (int n = 0; n < tiles; ++n)
      multiply(dot[n], a, q[step][n], T{});
  }
};

// float32 by plain multiply-add: both operands from shared memory.
template <int D> struct Scores<float, D> {
  static constexpr int buffers = 1, steps = 1, tiles = Queries<D>::tiles, shared_rows = Queries<D>::block + tile_keys;

  __device__ static float* key_buffer(float* shared, int) { return shared + Queries<D>::block * row_length<float, D>; }

  __device__ void take_queries(float* shared, const float* from, std::int64_t stride, int begin, int end, int d_head) {
    load_rows<float, D, Queries<D>::block>(shared, from, stride, begin, end, d_head);
    commit_copies();
    wait_for_copies();
    __syncthreads();
  }

  __device__ void add_step(Dots<D>& dot, int, const float* keys, const float* queries, int d_head) const {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const float* key = keys + lane / 4 * row_length<float, D>;
    const float* query = queries + (warp * Queries<D>::warp + lane % 4 * 2) * row_length<float, D>;
#pragma unroll 2
    for (int i = 0; i < d_head; i += 4) {
      const float4 low = *reinterpret_cast<const float4*>(key + i);
      const float4 high = *reinterpret_cast<const float4*>(key + 8 * row_length<float, D> + i);
#pragma unroll
      for (int n = 0; n < tiles; ++n)
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const float4 b = *reinterpret_cast<const float4*>(query + (8 * n + j) * row_length<float, D> + i);
          add_product(dot[n][j], low, b);
          add_product(dot[n][2 + j], high, b);
        }
    }
  }

private:
  __device__ static void add_product(float& c, const float4& a, const float4& b) {
    c = fmaf(a.x, b.x, c);
    c = fmaf(a.y, b.y, c);
    c = fmaf(a.z, b.z, c);
    c = fmaf(a.w, b.w, c);
  }
};

} // namespace headscope::kernels::cuda
