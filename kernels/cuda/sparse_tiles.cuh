// SPDX-License-Identifier: GPL-3.0-or-later
// Iterates over the tiles of keys that a block of queries visits: keys and values of 64 places of the row (32 where the
// head dimension is above 128), however many runs they come from, are gathered into shared memory while the tile before
// is used.
#pragma once

#include "kernels/cuda/sparse_runs.cuh"

namespace headscope::kernels::cuda {

// Copies rows `query` to shared memory, with zeros where that is negative and past column d_head.
template <typename T, int D, int rows>
__device__ inline void load_queries(T* to, const T* from, std::int64_t stride, const int* query, int d_head) {
  constexpr int per_copy = 16 / sizeof(T), columns = D / per_copy;
  static_assert(rows * columns % threads == 0);
#pragma unroll
  for (int i = 0; i < rows * columns / threads; ++i) {
    const int at = i * threads + static_cast<int>(threadIdx.x), row = at / columns, column = at % columns * per_copy;
    const bool valid = query[row] >= 0 && column < d_head;
    copy_async(to + row * row_length<T, D> + column, from + (valid ? query[row] * stride + column : 0), valid);
  }
}

template <typename T, int D, int tile> struct SparseTiles {
  static constexpr int per_copy = 16 / sizeof(T), columns = D / per_copy, length = row_length<T, D>;
  static_assert(tile <= threads);

  T* buffers;        // [2][keys, values][tile][length]
  int (*keys)[tile]; // [3]: while one tile is used and the next copied, the one after that is looked up
  RunTable& table;

  __device__ T* k(int number) const { return buffers + number % 2 * 2 * tile * length; }
  __device__ T* v(int number) const { return k(number) + tile * length; }

  __device__ void look_up(int number, int count) const {
    if (threadIdx.x < tile)
      keys[number % 3][threadIdx.x] = table.key_at(number * tile + static_cast<int>(threadIdx.x), count);
  }

  // This thread copies the same 16 bytes of every so many rows.
  __device__ void copy(const SparseParams& p, const SparsePlace& at, int number) const {
    constexpr int rows = threads / columns; // at a time
    static_assert(threads % columns == 0 && tile % rows == 0);
    const int slot = threadIdx.x / columns, column = threadIdx.x % columns * per_copy;
    const bool inside = column < p.d_head;
    const int kv_head = at.head / p.group, in_row = inside ? column : 0;
    const T* const from_k =
        static_cast<const T*>(p.k) + at.row * p.k_strides.batch + kv_head * p.k_strides.head + in_row;
    const T* const from_v =
        static_cast<const T*>(p.v) + at.row * p.v_strides.batch + kv_head * p.v_strides.head + in_row;
    T* const to = k(number) + slot * length + column;
    const int* const key = keys[number % 3] + slot;
#pragma unroll
    for (int i = 0; i < tile / rows; ++i) {
      const bool valid = inside && key[i * rows] != no_key;
      const std::int64_t place = valid ? key[i * rows] : 0;
      copy_async(to + i * rows * length, from_k + place * p.k_stride, valid);
      copy_async(to + (tile + i * rows) * length, from_v + place * p.v_stride, valid);
    }
    commit_copies();
  }

  // Calls use(keys of the tile, K, V) for each tile, all warps together.
  template <typename Use> __device__ void walk(const SparseParams& p, const SparsePlace& at, const Use& use) const {
    for (const KeyRun* from = at.runs; from < at.runs_end; from += most_runs) {
      const int count = table.read(p, at, from), tiles = (count + tile - 1) / tile;
      if (tiles == 0) continue;
      look_up(0, count);
      __syncthreads();
      copy(p, at, 0);
#pragma unroll 1
      for (int number = 0; number < tiles; ++number) {
        if (number + 1 < tiles) look_up(number + 1, count);
        wait_for_copies();
        __syncthreads();
        if (number + 1 < tiles) copy(p, at, number + 1);
        use(keys[number % 3], k(number), v(number));
      }
    }
    __syncthreads();
  }
};

} // namespace headscope::kernels::cuda
