// SPDX-License-Identifier: GPL-3.0-or-later
// Iterates over the tiles of keys that a block of queries visits: keys and values of 64 places of the row (32 where the
// head dimension is above 128), however many runs they come from, are gathered into shared memory while the tile before
// is used.
#pragma once

#include "kernels/cuda/sparse_runs.cuh"

namespace headscope::kernels::cuda {

template <typename T, int D, int tile> struct SparseTiles {
  static constexpr int per_copy = 16 / sizeof(T), columns = D / per_copy, length = row_length<T, D>;
  static_assert(tile * columns % threads == 0 && tile <= threads);

  T* buffers;        // [2][keys, values][tile][length]
  int (*keys)[tile]; // [3]: while one tile is used and the next copied, the one after that is looked up
  RunTable& table;

  __device__ T* k(int number) const { return buffers + number % 2 * 2 * tile * length; }
  __device__ T* v(int number) const { return k(number) + tile * length; }

  __device__ void look_up(int number, int count) const {
    if (threadIdx.x < tile)
      keys[number % 3][threadIdx.x] = table.key_at(number * tile + static_cast<int>(threadIdx.x), count);
  }

  __device__ void copy(const SparseParams& p, const SparsePlace& at, int number) const {
    const T* const from_k =
        static_cast<const T*>(p.k) + at.row * p.k_strides.batch + at.head / p.group * p.k_strides.head;
    const T* const from_v =
        static_cast<const T*>(p.v) + at.row * p.v_strides.batch + at.head / p.group * p.v_strides.head;
#pragma unroll
    for (int i = 0; i < tile * columns / threads; ++i) {
      const int piece = i * threads + static_cast<int>(threadIdx.x), slot = piece / columns;
      const int column = piece % columns * per_copy, key = keys[number % 3][slot];
      const bool valid = key != no_key && column < p.d_head;
      const std::int64_t place = valid ? key : 0, in_row = valid ? column : 0;
      copy_async(k(number) + slot * length + column, from_k + place * p.k_strides.pos + in_row, valid);
      copy_async(v(number) + slot * length + column, from_v + place * p.v_strides.pos + in_row, valid);
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
