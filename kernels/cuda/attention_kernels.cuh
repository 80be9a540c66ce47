// SPDX-License-Identifier: GPL-3.0-or-later
// The second pass, and the launch of both. A block of 4 warps owns 128 queries (64 where the head dimension is above
// 128) of one head and iterates over the keys they see, latest first, 64 at a time.
#pragma once

#include "kernels/cuda/attention_lse.cuh"
#include "kernels/cuda/attention_sums.cuh"
#include "kernels/cuda/attention_top.cuh"

namespace headscope::kernels::cuda {

template <int D, bool top> struct StatisticsLook {
  const WarpQueries<D>& place;
  Gathered<D>& gathered;
  const KeySums& sums;
  const TopLists& lists;
  int tile;
  float part[2] = {0.0f, 0.0f}; // sums over this thread's queries
  bool candidate = false;

  __device__ void start(const Dots<D>&) {}
  __device__ void slot(const Dots<D>& dot, int j) {
    float x[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      x[h] = fmaf(dot[j / 2][2 * h + j % 2], place.p.factor, gathered.shift[j]);
      const float weight = exp2_of(x[h]);
      gathered.entropy[j] = fmaf(weight, x[h], gathered.entropy[j]);
      part[h] += weight;
    }
    const float largest = fmaxf(x[0], x[1]);
    if (top) candidate = candidate || largest > gathered.bound[j];
    gathered.cell_max = fmaxf(gathered.cell_max, largest);
  }
  __device__ void end(const Dots<D>& dot, int m) {
    gathered.cell_sum += sums.store(part, tile, m, place.lane, place.warp);
    part[0] = part[1] = 0.0f;
    if (top && __any_sync(~0u, candidate)) add_candidates(dot, tile * tile_keys + 16 * m);
    candidate = false;
  }

private:
  __device__ void add_candidates(const Dots<D>& dot, int key) {
    const int lane = forgotten(place.lane);
    Candidate* free = lists.stack + 32 * gathered.waiting + lane;
#pragma unroll
    for (int j = 0; j < Gathered<D>::slots; ++j)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float x = fmaf(dot[j / 2][2 * h + j % 2], place.p.factor, gathered.shift[j]);
        if (x > gathered.bound[j]) {
          *free = {static_cast<unsigned>(key + 8 * h + lane / 4) | static_cast<unsigned>(j) << key_bits, x};
          free += 32;
          ++gathered.waiting;
        }
      }
    if (!__any_sync(~0u, gathered.waiting > stack_full)) return;
    merge(lists, gathered.waiting);
    gathered.waiting = 0;
    const WarpQueries<D> again = place.again();
#pragma unroll
    for (int j = 0; j < Gathered<D>::slots; ++j)
      gathered.bound[j] = fmaxf(gathered.bound[j], lists.smallest(again.in_warp(j), no_weight));
  }
};

// Adds spans and stripes, for the few tiles that have some, by computing the products again.
template <typename T, int D>
__device__ inline void look_at_marks(const Scores<T, D>& product, const T* keys, const T* queries,
                                     const WarpQueries<D>& place, int key, const Gathered<D>& gathered) {
#pragma unroll 1
  for (int m = chunks - 1; m >= 0; --m) {
    Dots<D> dot;
    masked_dots<T, D>(dot, product, keys, queries, place, key, m);
    if (place.p.span_count > 0) add_spans<D>(dot, gathered, place.again(), key + 16 * m);
    if (place.p.distance_count > 0) add_stripes<D>(dot, gathered, place.again(), key + 16 * m);
  }
}

template <int D> __device__ inline void write_top(const WarpQueries<D>& place, const TopLists& lists, int waiting) {
  const AttentionParams& p = place.p;
  merge(lists, waiting);
  const int count = (place.warp_last - place.warp_first + 1) * p.top_k;
  const std::int64_t first =
      (static_cast<std::int64_t>(place.batch_head) * p.queries + (place.warp_first - p.query_offset)) * p.top_k;
  for (int i = place.lane; i < count; i += 32) {
    const TopEntry entry = lists.list(i / p.top_k)[i % p.top_k];
    if (p.top_key) p.top_key[first + i] = entry == 0 ? -1 : key_of(entry);
    if (p.top_weight) p.top_weight[first + i] = entry == 0 ? 0.0f : exp2_of(log_weight(entry));
  }
}

template <typename T, int D>
constexpr int score_bytes = Scores<T, D>::shared_rows* row_length<T, D>* static_cast<int>(sizeof(T));
constexpr int sums_bytes = 2 * warps * tile_keys * static_cast<int>(sizeof(float));
constexpr int stack_bytes = threads * stack_room * static_cast<int>(sizeof(Candidate));
template <int D> constexpr int top_bytes(int top_k) {
  return top_k == 0 ? 0 : stack_bytes + Queries<D>::block * (top_k | 1) * static_cast<int>(sizeof(TopEntry));
}

// most_top is how many of the largest weights of a query may be asked for, 0, 8 or 16. With 16 there are so many
// candidates that registers for them are worth more than a third block: they save 21 % of the time at 131,072 tokens.
// With 8, two blocks are as fast as three there, and 7 % slower at 32,768.
template <typename T, int D, int most_top>
__global__ void __launch_bounds__(threads, most_top > 8 ? 2 : blocks_a_multiprocessor)
    statistics_pass(const AttentionParams p) {
  constexpr bool top = most_top > 0;
  extern __shared__ __align__(16) unsigned char memory[];
  T* const shared = reinterpret_cast<T*>(memory);
  constexpr int slots = Queries<D>::slots;
  const WarpQueries<D> place(p);
  const KeySums sums{reinterpret_cast<float*>(memory + score_bytes<T, D>)};
  unsigned char* const stacks = memory + score_bytes<T, D> + sums_bytes;
  const TopLists lists{reinterpret_cast<TopEntry*>(stacks + stack_bytes) +
                           place.warp * Queries<D>::warp * (p.top_k | 1),
                       reinterpret_cast<Candidate*>(stacks) + place.warp * 32 * stack_room, Queries<D>::warp, p.top_k};
  if (top) lists.clear();
  Scores<T, D> product;
  product.take_queries(shared, query_rows<T>(p, place.row, place.head), p.q_strides.pos, place.first_query, p.queries,
                       p.d_head);
  Gathered<D> gathered;
  gathered.cell_sum = 0.0f, gathered.cell_max = no_weight, gathered.waiting = 0;
#pragma unroll
  for (int j = 0; j < slots; ++j) {
    const bool valid = place.valid(j);
    gathered.shift[j] = valid ? -p.lse[place.query_at(j)] * log2_e : hidden_dot;
    gathered.entropy[j] = 0.0f, gathered.bound[j] = no_weight;
    if (!top || !valid || !p.bound) continue;
    const float bound = fmaf(p.bound[place.query_at(j)], p.factor, gathered.shift[j]);
    gathered.bound[j] = fmaxf(no_weight, bound - 1e-5f * (1.0f + fabsf(bound))); // itself is above it
  }
  Fixed* const key_sum = p.key_sum ? p.key_sum + static_cast<std::int64_t>(place.batch_head) * p.keys : nullptr;
  const int last = place.last_tile(), first = place.first_tile();

  walk<T, D>(shared, key_rows<T>(p, place.row, place.head), p.k_strides.pos, place, [&](int tile, const T* keys) {
    const int key = tile * tile_keys;
    if (key_sum && tile < last) sums.add_to(key_sum, tile + 1, p.keys);
    if (place.sees(key)) {
      StatisticsLook<D, top> look{place, gathered, sums, lists, tile};
      if (place.sees_all(key) && p.cap_outer == 0.0f)
        look_at_all<T, D>(product, keys, shared, place, look);
      else
        look_at_some<T, D>(product, keys, shared, place, key, look);
      if ((p.span_count > 0 || p.distance_count > 0) && marked(place.again(), key))
        look_at_marks<T, D>(product, keys, shared, place, key, gathered);
    } else {
      sums.skip(tile, place.lane, place.warp);
    }
    if (p.pool_block > 0 && (key % p.pool_block == 0 || tile == first)) finish_cell<D>(gathered, place.again(), key);
  });
  __syncthreads();
  if (key_sum && last >= first) sums.add_to(key_sum, first, p.keys);

#pragma unroll
  for (int j = 0; j < slots; ++j) {
    const float entropy = -ln_2 * over_keys(gathered.entropy[j]);
    if (p.entropy && place.lane / 4 == j && place.warp_first + place.in_warp(j) <= place.warp_last)
      p.entropy[place.query_at(j)] = place.valid(j) ? fmaxf(entropy, 0.0f) : 0.0f;
  }
  if (top) write_top<D>(place, lists, gathered.waiting);
}

template <typename T, int D>
cudaError_t launch_dim(AttentionPass pass, const AttentionParams& p, int batch, cudaStream_t stream) {
  const bool second = pass == AttentionPass::statistics;
  const auto kernel = pass == AttentionPass::lse     ? lse_pass<T, D>
                      : pass == AttentionPass::bound ? bound_pass<T, D>
                      : p.top_k > 8                  ? statistics_pass<T, D, 16>
                      : p.top_k > 0                  ? statistics_pass<T, D, 8>
                                                     : statistics_pass<T, D, 0>;
  const int bytes = score_bytes<T, D> + (second ? sums_bytes + top_bytes<D>(p.top_k) : 0);
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  const auto blocks = static_cast<unsigned>((p.queries + Queries<D>::block - 1) / Queries<D>::block);
  kernel<<<dim3(blocks, static_cast<unsigned>(p.heads), static_cast<unsigned>(batch)), threads,
           static_cast<std::size_t>(bytes), stream>>>(p);
  return cudaGetLastError();
}

template <typename T>
cudaError_t launch_type(AttentionPass pass, const AttentionParams& p, int batch, cudaStream_t stream) {
  if (p.d_head <= 64) return launch_dim<T, 64>(pass, p, batch, stream);
  if (p.d_head <= 128) return launch_dim<T, 128>(pass, p, batch, stream);
  return launch_dim<T, 256>(pass, p, batch, stream);
}

} // namespace headscope::kernels::cuda
