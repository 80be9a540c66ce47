// SPDX-License-Identifier: GPL-3.0-or-later
// Sparse attention of 16-bit elements on tensor cores, and of float32 by multiply-adds; FlashAttention-2's order
// (arXiv 2307.08691): weights relative to the largest score so far, rescaled when that grows.
#pragma once

#include "kernels/cuda/sparse_tiles.cuh"

namespace headscope::kernels::cuda {

__device__ inline void load_transposed(unsigned (&r)[4], const void* row) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address));
}

__device__ inline unsigned pack(float low, float high, __nv_bfloat16) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const unsigned*>(&pair);
}
__device__ inline unsigned pack(float low, float high, __half) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const unsigned*>(&pair);
}

// Sums over the 4 threads that hold keys of the same query, and their largest.
__device__ inline float over_row(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}
__device__ inline float largest_of_row(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

// How 4 warps share `rows` queries and a tile of keys: each has some of the rows, and where there are few rows, some of
// the keys. Where one warp has 32 rows, each key and value that it reads from shared memory serves two products; with
// 32 rows in all, whose keys are scattered, four smaller blocks on a multiprocessor wait for memory better than two.
template <int D, int rows> struct Shares {
  static constexpr bool many = D <= 128 && rows > 32;
  static constexpr int tile = many ? 64 : 32, row_tiles = many ? 2 : 1; // row tiles: of 16 rows, a warp
  static constexpr int row_groups = rows / (16 * row_tiles), splits = warps / row_groups;
  static constexpr int keys = tile / splits;                // of a warp
  static constexpr int blocks = D > 128 ? 1 : many ? 2 : 4; // on a multiprocessor
  static_assert(row_groups * splits == warps && keys % 16 == 0);
};

// One warp's rows of z and the running softmax. Thread `lane` holds, with g = lane / 4 and t = lane % 4, of row tile r
// rows 16 r + g and 16 r + g + 8: the accumulator layout of mma.m16n8k16.
template <typename T, int D, int rows> struct SparseRows {
  using Share = Shares<D, rows>;
  static constexpr int R = Share::row_tiles, key_tiles = Share::keys / 8, length = row_length<T, D>;
  float z[R][D / 8][4], largest[R][2], sum[R][2];

  __device__ void clear() {
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int n = 0; n < D / 8; ++n)
        z[r][n][0] = z[r][n][1] = z[r][n][2] = z[r][n][3] = 0.0f;
      largest[r][0] = largest[r][1] = no_weight, sum[r][0] = sum[r][1] = 0.0f;
    }
  }

  // q: the first row of the warp's queries, k and v: of its keys; `slots`: of the warp's queries.
  __device__ void add(const SparseParams& p, const SparsePlace& at, const T* q, const int* keys, const T* k, const T* v,
                      const int* slots) {
    const int first = slots[0], last = slots[16 * R - 1];
    if (at.none_seen(p, first, last, keys[0], keys[Share::keys - 1])) return;
    float x[R][key_tiles][4];
    multiply_scores(x, q, k);
    if (p.cap_outer > 0.0f) cap(x, p);
    if (!at.all_seen(p, first, last, keys[0], keys[Share::keys - 1])) hide(x, p, at, keys, slots);
    to_weights(x, p.factor);
    multiply_values(x, v);
  }

private:
  __device__ static void multiply_scores(float (&x)[R][key_tiles][4], const T* q, const T* k) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int r = 0; r < R; ++r)
#pragma unroll
      for (int n = 0; n < key_tiles; ++n)
        x[r][n][0] = x[r][n][1] = x[r][n][2] = x[r][n][3] = 0.0f;
    const T* const query = q + lane % 16 * length + lane / 16 * 8;
    const T* const key = k + (lane % 8 + lane / 16 * 8) * length + lane / 8 % 2 * 8;
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
      unsigned a[R][4];
#pragma unroll
      for (int r = 0; r < R; ++r)
        load_matrices(a[r], query + 16 * r * length + 16 * step);
#pragma unroll
      for (int n = 0; n < key_tiles; n += 2) {
        unsigned b[4];
        load_matrices(b, key + 8 * n * length + 16 * step);
#pragma unroll
        for (int r = 0; r < R; ++r) {
          multiply(x[r][n], a[r], b, T{});
          multiply(x[r][n + 1], a[r], b + 2, T{});
        }
      }
    }
  }

  __device__ static void cap(float (&x)[R][key_tiles][4], const SparseParams& p) {
#pragma unroll
    for (int r = 0; r < R; ++r)
#pragma unroll
      for (int n = 0; n < key_tiles; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          x[r][n][e] = capped(x[r][n][e], p, T{});
  }

  __device__ static void hide(float (&x)[R][key_tiles][4], const SparseParams& p, const SparsePlace& at,
                              const int* keys, const int* slots) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < key_tiles; ++n) {
      const int2 key = *reinterpret_cast<const int2*>(keys + 8 * n + lane % 4 * 2);
#pragma unroll
      for (int r = 0; r < R; ++r)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          if (!at.seen(p, slots[16 * r + lane / 4 + e / 2 * 8], e % 2 ? key.y : key.x)) x[r][n][e] = -INFINITY;
    }
  }

  __device__ void to_weights(float (&x)[R][key_tiles][4], float factor) {
    float scale[R][2];
    bool grows = false;
#pragma unroll
    for (int r = 0; r < R; ++r)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float top = -INFINITY;
#pragma unroll
        for (int n = 0; n < key_tiles; ++n)
          top = fmaxf(top, fmaxf(x[r][n][2 * half], x[r][n][2 * half + 1]));
        const float next = fmaxf(largest[r][half], largest_of_row(top) * factor);
        grows = grows || next > largest[r][half];
        scale[r][half] = exp2_of(largest[r][half] - next);
        largest[r][half] = next;
      }
    if (__any_sync(~0u, grows)) rescale(scale); // seldom after the first tiles
#pragma unroll
    for (int n = 0; n < key_tiles; ++n)
#pragma unroll
      for (int r = 0; r < R; ++r)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          x[r][n][e] = exp2_of(fmaf(x[r][n][e], factor, -largest[r][e / 2]));
          sum[r][e / 2] += x[r][n][e];
        }
  }

  __device__ void rescale(const float (&scale)[R][2]) {
#pragma unroll
    for (int r = 0; r < R; ++r) {
      sum[r][0] *= scale[r][0], sum[r][1] *= scale[r][1];
#pragma unroll
      for (int n = 0; n < D / 8; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          z[r][n][e] *= scale[r][e / 2];
    }
  }

  __device__ void multiply_values(const float (&x)[R][key_tiles][4], const T* v) {
    const int lane = threadIdx.x % 32;
    const T* const value = v + lane % 16 * length + lane / 16 * 8;
#pragma unroll
    for (int n = 0; n < key_tiles; n += 2) {
      unsigned a[R][4];
#pragma unroll
      for (int r = 0; r < R; ++r) {
        a[r][0] = pack(x[r][n][0], x[r][n][1], T{}), a[r][1] = pack(x[r][n][2], x[r][n][3], T{});
        a[r][2] = pack(x[r][n + 1][0], x[r][n + 1][1], T{}), a[r][3] = pack(x[r][n + 1][2], x[r][n + 1][3], T{});
      }
#pragma unroll
      for (int column = 0; column < D / 8; column += 2) {
        unsigned b[4];
        load_transposed(b, value + 8 * n * length + 8 * column);
#pragma unroll
        for (int r = 0; r < R; ++r) {
          multiply(z[r][column], a[r], b, T{});
          multiply(z[r][column + 1], a[r], b + 2, T{});
        }
      }
    }
  }
};

// Adds the rows that other warps have of other keys; `shared` has room for one warp's in floats, for each row group.
template <typename T, int D, int rows>
__device__ inline void join(SparseRows<T, D, rows>& mine, float* shared, int group, int split) {
  using Share = Shares<D, rows>;
  constexpr int R = Share::row_tiles;
  const int lane = threadIdx.x % 32;
  float* const at = shared + group * 32 * (R * (D / 2 + 4)) + lane;
#pragma unroll 1
  for (int other = 1; other < Share::splits; ++other) {
    if (split == other) {
      int i = 0;
#pragma unroll
      for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int half = 0; half < 2; ++half)
          at[32 * i++] = mine.largest[r][half], at[32 * i++] = mine.sum[r][half];
#pragma unroll
        for (int n = 0; n < D / 8; ++n)
#pragma unroll
          for (int e = 0; e < 4; ++e)
            at[32 * i++] = mine.z[r][n][e];
      }
    }
    __syncthreads();
    if (split == 0) {
      int i = 0;
#pragma unroll
      for (int r = 0; r < R; ++r) {
        float here[2], there[2];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float largest = at[32 * i++], sum = at[32 * i++], next = fmaxf(mine.largest[r][half], largest);
          here[half] = exp2_of(mine.largest[r][half] - next), there[half] = exp2_of(largest - next);
          mine.largest[r][half] = next;
          mine.sum[r][half] = mine.sum[r][half] * here[half] + sum * there[half];
        }
#pragma unroll
        for (int n = 0; n < D / 8; ++n)
#pragma unroll
          for (int e = 0; e < 4; ++e)
            mine.z[r][n][e] = mine.z[r][n][e] * here[e / 2] + at[32 * i++] * there[e / 2];
      }
    }
    __syncthreads();
  }
}

template <typename T, int D, int rows>
constexpr int sparse_queries = rows* row_length<T, D>* static_cast<int>(sizeof(T));
template <typename T, int D, int rows> constexpr int sparse_bytes() {
  return sparse_queries<T, D, rows> + 4 * Shares<D, rows>::tile * row_length<T, D> * static_cast<int>(sizeof(T)) +
         3 * Shares<D, rows>::tile * 4 + static_cast<int>(sizeof(RunTable) + sizeof(BlockQueries<rows>));
}

__device__ inline float lse_of(float largest, float sum) {
  return sum > 0.0f ? (largest + log2f(sum)) * ln_2 : -INFINITY;
}

template <typename T, int D, int rows>
__global__ void __launch_bounds__(threads, Shares<D, rows>::blocks) sparse_pass(const SparseParams p, int tiles) {
  using Share = Shares<D, rows>;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const queries = reinterpret_cast<T*>(memory);
  T* const buffers = reinterpret_cast<T*>(memory + sparse_queries<T, D, rows>);
  int* const keys = reinterpret_cast<int*>(buffers + 4 * Share::tile * row_length<T, D>);
  RunTable& table = *reinterpret_cast<RunTable*>(keys + 3 * Share::tile);
  const SparsePlace at(p, tiles, reinterpret_cast<BlockQueries<rows>&>(*(&table + 1)));
  if (at.count == 0) return;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int group = warp % Share::row_groups, split = warp / Share::row_groups,
            in_block = group * 16 * Share::row_tiles;
  const T* const q = static_cast<const T*>(p.q) + at.row * p.q_strides.batch + at.head * p.q_strides.head;
  load_queries<T, D, rows>(queries, q, p.q_strides.pos, at.query, p.d_head); // waited for by walk()
  commit_copies();
  SparseRows<T, D, rows> mine;
  mine.clear();
  const SparseTiles<T, D, Share::tile> gather{buffers, reinterpret_cast<int(*)[Share::tile]>(keys), table};
  gather.walk(p, at, [&](const int* tile, const T* k, const T* v) {
    const int from = split * Share::keys;
    mine.add(p, at, queries + in_block * row_length<T, D>, tile + from, k + from * row_length<T, D>,
             v + from * row_length<T, D>, at.slot + in_block);
  });
#pragma unroll
  for (int r = 0; r < Share::row_tiles; ++r)
    mine.sum[r][0] = over_row(mine.sum[r][0]), mine.sum[r][1] = over_row(mine.sum[r][1]);
  if (Share::splits > 1) join<T, D, rows>(mine, reinterpret_cast<float*>(buffers), group, split);
  if (split != 0) return;
  T* const z = static_cast<T*>(p.z) + at.row * p.z_strides.batch + at.head * p.z_strides.head;
#pragma unroll
  for (int r = 0; r < Share::row_tiles; ++r)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = at.query[in_block + 16 * r + 8 * half + lane / 4];
      if (query < 0) continue;
      const float sum = mine.sum[r][half], inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
      T* const to = z + query * p.z_strides.pos + lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < D / 8; ++n)
        if (8 * n < p.d_head)
          *reinterpret_cast<unsigned*>(to + 8 * n) =
              pack(mine.z[r][n][2 * half] * inverse, mine.z[r][n][2 * half + 1] * inverse, T{});
      if (p.lse && lane % 4 == 0)
        p.lse[(static_cast<std::int64_t>(at.row) * p.heads + at.head) * p.queries + query] =
            lse_of(mine.largest[r][half], sum);
    }
}

template <typename T, int D, int rows> cudaError_t launch_rows(const SparseParams& p, int batch, cudaStream_t stream) {
  constexpr int bytes = sparse_bytes<T, D, rows>();
  const auto kernel = sparse_pass<T, D, rows>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  const int tiles = (static_cast<int>(p.visited.block_q) + rows - 1) / rows;
  kernel<<<dim3(static_cast<unsigned>(p.blocks * tiles), static_cast<unsigned>(p.heads), static_cast<unsigned>(batch)),
           threads, bytes, stream>>>(p, tiles);
  return cudaGetLastError();
}

// Whether a block of threads can have that much shared memory: cards for displays have less than those for computing.
inline bool fits(int bytes) {
  int device = 0, most = 0;
  return cudaGetDevice(&device) == cudaSuccess &&
         cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) == cudaSuccess && bytes <= most;
}

template <typename T, int D> cudaError_t launch_sparse_dim(const SparseParams& p, int batch, cudaStream_t stream) {
  constexpr int most_rows = D <= 128 ? 128 : 64;
  if (p.visited.block_q > 64 && fits(sparse_bytes<T, D, most_rows>()))
    return launch_rows<T, D, most_rows>(p, batch, stream);
  if (p.visited.block_q > 32 && fits(sparse_bytes<T, D, 64>())) return launch_rows<T, D, 64>(p, batch, stream);
  return launch_rows<T, D, 32>(p, batch, stream);
}

template <typename T> cudaError_t launch_sparse(const SparseParams& p, int batch, cudaStream_t stream) {
  if (p.d_head <= 64) return launch_sparse_dim<T, 64>(p, batch, stream);
  if (p.d_head <= 128) return launch_sparse_dim<T, 128>(p, batch, stream);
  return launch_sparse_dim<T, 256>(p, batch, stream);
}

} // namespace headscope::kernels::cuda
