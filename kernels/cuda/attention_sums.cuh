// SPDX-License-Identifier: GPL-3.0-or-later
// The sums of the second pass: by key, over spans and stripes, and over blocks of the map.
#pragma once

#include "kernels/cuda/attention_warp_queries.cuh"

namespace headscope::kernels::cuda {

// Values that a warp accumulates over the tiles of the second pass.
template <int D> struct Gathered {
  static constexpr int slots = Queries<D>::slots;
  float shift[slots];       // minus log-sum-exp, in units of log 2
  float entropy[slots];     // sum of A log2 A
  float bound[slots];       // weights up to here are not among the largest
  int waiting;              // candidates on this thread's stack
  float cell_sum, cell_max; // of the block of the map, over this thread's keys and queries
};

// Combines sums over the warps' queries into sums over the block's: each warp stores 64, two tiles at a time.
struct KeySums {
  float* shared; // [2, warps, tile_keys]

  // part[h] is the sum for key 8 h + lane / 4 of the 16, over this thread's queries. Returns half the sum of what it
  // stores.
  __device__ float store(const float (&part)[2], int tile, int m, int lane, int warp) const {
    const bool odd = lane & 1;
    float sum = (odd ? part[1] : part[0]) + __shfl_xor_sync(~0u, odd ? part[0] : part[1], 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    if (lane % 4 < 2) of(tile, warp)[16 * m + 8 * (lane % 2) + lane / 4] = sum;
    return 0.5f * sum;
  }
  __device__ void skip(int tile, int lane, int warp) const {
    float* to = of(tile, warp) + lane;
    to[0] = to[32] = 0.0f;
  }
  // Called once all warps have stored.
  __device__ void add_to(Fixed* sums, int tile, int keys) const {
    const int i = threadIdx.x, key = tile * tile_keys + i;
    if (i >= tile_keys || key >= keys) return;
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < warps; ++warp)
      sum += of(tile, warp)[i];
    add_fixed(sums + key, sum);
  }

private:
  __device__ float* of(int tile, int warp) const { return shared + (tile % 2 * warps + warp) * tile_keys; }
};

// Adds sums[j] over the 8 threads that hold keys of the same query; each thread gets that of j = lane / 4 % slots.
template <int slots> __device__ inline float scatter(const float (&sums)[slots], int lane) {
  float four[4], two[2];
  const bool upper = lane & 16, middle = lane & 8, lower = lane & 4;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float keep = slots == 8 && upper ? sums[i + slots - 4] : sums[i];
    const float give = slots == 8 && !upper ? sums[i + slots - 4] : sums[i];
    four[i] = keep + __shfl_xor_sync(~0u, give, 16);
  }
#pragma unroll
  for (int i = 0; i < 2; ++i)
    two[i] = (middle ? four[i + 2] : four[i]) + __shfl_xor_sync(~0u, middle ? four[i] : four[i + 2], 8);
  return (lower ? two[1] : two[0]) + __shfl_xor_sync(~0u, lower ? two[0] : two[1], 4);
}

// `key` is the slot of the first of the 16 keys, here and below.
template <int D>
__device__ inline void add_spans(const Dots<D>& dot, const Gathered<D>& gathered, const WarpQueries<D>& place,
                                 int key) {
  const AttentionParams& p = place.p;
  constexpr int slots = Gathered<D>::slots;
  for (int span = 0; span < p.span_count; ++span) {
    const int begin = p.span_begin[span] - key, end = p.span_end[span] - key;
    if (begin >= 16 || end <= 0) continue;
    float sums[slots];
#pragma unroll
    for (int j = 0; j < slots; ++j) {
      sums[j] = 0.0f;
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float weight = exp2_of(fmaf(dot[j / 2][2 * h + j % 2], p.factor, gathered.shift[j]));
        sums[j] += place.key_of(h) >= begin && place.key_of(h) < end ? weight : 0.0f;
      }
    }
    const float sum = scatter(sums, place.lane);
    const int j = place.lane / 4;
    if (j >= slots || !place.valid(j)) continue;
    const std::int64_t query = place.query_at(j) - static_cast<std::int64_t>(place.batch_head) * p.queries;
    p.span_mass[(static_cast<std::int64_t>(place.batch_head) * p.span_count + span) * p.queries + query] += sum;
  }
}

template <int D>
__device__ inline void add_stripes(const Dots<D>& dot, const Gathered<D>& gathered, const WarpQueries<D>& place,
                                   int key) {
  const AttentionParams& p = place.p;
  for (int stripe = 0; stripe < p.distance_count; ++stripe) {
    const int distance = p.distances[stripe];
    if (place.warp_first - distance >= key + 16 || place.warp_last - distance < key) continue;
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < Gathered<D>::slots; ++j) {
      const int wanted = place.warp_first + place.in_warp(j) - distance - key;
#pragma unroll
      for (int h = 0; h < 2; ++h)
        if (place.key_of(h) == wanted) sum += exp2_of(fmaf(dot[j / 2][2 * h + j % 2], p.factor, gathered.shift[j]));
    }
    sum = over_warp(sum);
    if (place.lane == 0) add_fixed(p.stripe + place.batch_head * p.distance_count + stripe, sum);
  }
}

// Whether any span or stripe passes through the tile at `key`.
template <int D> __device__ inline bool marked(const WarpQueries<D>& place, int key) {
  const AttentionParams& p = place.p;
  bool any = false;
  for (int i = 0; i < p.span_count; ++i)
    any = any || (p.span_begin[i] < key + tile_keys && p.span_end[i] > key);
  for (int i = 0; i < p.distance_count; ++i)
    any = any || (place.warp_first - p.distances[i] < key + tile_keys && place.warp_last - p.distances[i] >= key);
  return any;
}

// Writes the block of the map that ends (to the left) with this tile to memory.
template <int D> __device__ inline void finish_cell(Gathered<D>& gathered, const WarpQueries<D>& place, int key) {
  const AttentionParams& p = place.p;
  const float sum = over_warp(gathered.cell_sum), top = largest_of_warp(gathered.cell_max);
  gathered.cell_sum = 0.0f, gathered.cell_max = no_weight;
  if (place.lane != 0 || top <= no_weight) return;
  const int key_blocks = (p.keys + p.pool_block - 1) / p.pool_block;
  const int query_blocks = (p.queries + p.pool_block - 1) / p.pool_block;
  const int row = (place.warp_first - p.query_offset) / p.pool_block;
  const std::int64_t cell =
      (static_cast<std::int64_t>(place.batch_head) * query_blocks + row) * key_blocks + key / p.pool_block;
  if (p.pool_sum) add_fixed(p.pool_sum + cell, sum);
  // Weights are not negative, so their bits sort as the weights do.
  if (p.pool_max) atomicMax(reinterpret_cast<int*>(p.pool_max + cell), __float_as_int(exp2_of(top)));
}

} // namespace headscope::kernels::cuda
