// SPDX-License-Identifier: GPL-3.0-or-later
// Iterates over a block's keys, and passes scores to the code that accumulates them.
#pragma once

#include "kernels/cuda/attention_warp_queries.cuh"

namespace headscope::kernels::cuda {

// Passes `look` every 16 keys of a tile, latest first: look.slot(dot, j) for each of this thread's queries, and then
// look.end(dot, m). Multiply dot by p.factor for units of log 2. Where no key is hidden, the products of the next 16
// keys are made between the calls, so that tensor cores and the other units work at the same time.
template <typename T, int D, typename Look>
__device__ inline void look_at_all(const Scores<T, D>& product, const T* keys, const T* queries,
                                   const WarpQueries<D>& place, Look& look) {
  constexpr int steps = Scores<T, D>::steps, slots = Queries<D>::slots, rows = 16 * row_length<T, D>;
  const int d_head = place.p.d_head;
  Dots<D> dots[2];
  clear<D>(dots[(chunks - 1) % 2]);
#pragma unroll
  for (int step = 0; step < steps; ++step)
    product.add_step(dots[(chunks - 1) % 2], step, keys + (chunks - 1) * rows, queries, d_head);
#pragma unroll
  for (int m = chunks - 1; m >= 0; --m) {
    clear<D>(dots[(m + 1) % 2]);
#pragma unroll
    for (int step = 0; step < steps; ++step) {
      if (m > 0) product.add_step(dots[(m + 1) % 2], step, keys + (m - 1) * rows, queries, d_head);
#pragma unroll
      for (int j = step * slots / steps; j < (step + 1) * slots / steps; ++j)
        look.slot(dots[m % 2], j);
    }
    look.end(dots[m % 2], m);
  }
}

template <typename T, int D>
__device__ inline void masked_dots(Dots<D>& dot, const Scores<T, D>& product, const T* keys, const T* queries,
                                   const WarpQueries<D>& place, int key, int m) {
  clear<D>(dot);
#pragma unroll
  for (int step = 0; step < Scores<T, D>::steps; ++step)
    product.add_step(dot, step, keys + m * 16 * row_length<T, D>, queries, place.p.d_head);
  mask<T, D>(dot, place.again(), key + 16 * m);
}

// The same where keys are hidden or scores have a soft cap; the code is short rather than fast.
template <typename T, int D, typename Look>
__device__ inline void look_at_some(const Scores<T, D>& product, const T* keys, const T* queries,
                                    const WarpQueries<D>& place, int key, Look& look) {
#pragma unroll 1
  for (int m = chunks - 1; m >= 0; --m) {
    Dots<D> dot;
    masked_dots<T, D>(dot, product, keys, queries, place, key, m);
    look.start(dot);
#pragma unroll
    for (int j = 0; j < Queries<D>::slots; ++j)
      look.slot(dot, j);
    look.end(dot, m);
  }
}

// This thread's share of copying tiles of keys, latest first, every step-th, to shared memory.
template <typename T, int D, int step> class KeyCopies {
  static constexpr int per_copy = 16 / sizeof(T), columns = D / per_copy, rows = threads / columns;
  static_assert(threads % columns == 0 && tile_keys % rows == 0);

public:
  __device__ KeyCopies(const T* k, std::int64_t stride, const WarpQueries<D>& place, int tile)
      : k_(k), stride_(stride), keys_(place.p.keys), d_head_(place.p.d_head), tile_(tile) {
    const int row = threadIdx.x / columns, column = threadIdx.x % columns * per_copy;
    inside_ = column < d_head_;
    to_ = row * row_length<T, D> + column;
    from_ = k + (static_cast<std::int64_t>(tile) * tile_keys + row) * stride + (inside_ ? column : 0);
  }

  // Copies the next tile.
  __device__ void copy(T* to) {
    if ((tile_ + 1) * tile_keys <= keys_) {
      const T* from = from_;
#pragma unroll
      for (int i = 0; i < tile_keys / rows; ++i, from += rows * stride_)
        copy_async(to + to_ + i * rows * row_length<T, D>, from, inside_);
    } else {
      load_rows<T, D, tile_keys>(to, k_, stride_, tile_ * tile_keys, keys_, d_head_);
    }
    commit_copies();
    tile_ -= step;
    from_ -= step * tile_keys * stride_;
  }

private:
  const T *k_, *from_;
  std::int64_t stride_;
  int keys_, d_head_, tile_, to_;
  bool inside_;
};

// Calls visit(tile, keys in shared memory) for every step-th tile, latest first, all warps together.
template <typename T, int D, int step = 1, typename Visit>
__device__ inline void walk(T* shared, const T* k, std::int64_t stride, const WarpQueries<D>& place,
                            const Visit& visit) {
  using Product = Scores<T, D>;
  static_assert(step % 2 == 1, "tiles alternate between two buffers");
  const int first = place.first_tile(), last = place.last_tile();
  KeyCopies<T, D, step> copies(k, stride, place, last);
  if (Product::buffers == 2 && last >= first) copies.copy(Product::key_buffer(shared, last));
#pragma unroll 1
  for (int tile = last; tile >= first; tile -= step) {
    if (Product::buffers == 1) {
      __syncthreads();
      copies.copy(Product::key_buffer(shared, tile));
    }
    wait_for_copies();
    __syncthreads();
    if (Product::buffers == 2 && tile - step >= first) copies.copy(Product::key_buffer(shared, tile - step));
    visit(tile, Product::key_buffer(shared, tile));
  }
}

template <typename T> __device__ inline const T* query_rows(const AttentionParams& p, int row, int head) {
  return static_cast<const T*>(p.q) + row * p.q_strides.batch + head * p.q_strides.head;
}
template <typename T> __device__ inline const T* key_rows(const AttentionParams& p, int row, int head) {
  return static_cast<const T*>(p.k) + row * p.k_strides.batch + head / p.group * p.k_strides.head;
}

} // namespace headscope::kernels::cuda
