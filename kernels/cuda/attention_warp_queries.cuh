// SPDX-License-Identifier: GPL-3.0-or-later
// The queries and keys of a block, a warp and a thread, and small sums over a warp.
#pragma once

#include "kernels/cuda/attention_launch.h"
#include "kernels/cuda/attention_tile.cuh"

namespace headscope::kernels::cuda {

constexpr float hidden_dot = -1e30f; // far below any score, yet 0 times it is no NaN
constexpr float no_weight = -1e25f;  // logarithm of no weight; above hidden_dot times any scale
constexpr float base_room = 16.0f;   // how far a score may be above the base of its query's sum, in units of log 2
constexpr float log2_e = 1.44269504088896341f, ln_2 = 0.693147180559945309f;

__device__ inline float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Sums over the 8 threads that hold keys of the same query.
__device__ inline float over_keys(float x) {
  for (int other = 4; other < 32; other *= 2)
    x += __shfl_xor_sync(~0u, x, other);
  return x;
}
__device__ inline float over_warp(float x) {
  for (int other = 1; other < 32; other *= 2)
    x += __shfl_xor_sync(~0u, x, other);
  return x;
}
__device__ inline float largest_of_warp(float x) {
  for (int other = 1; other < 32; other *= 2)
    x = fmaxf(x, __shfl_xor_sync(~0u, x, other));
  return x;
}

__device__ inline void add_fixed(Fixed* sum, float x) {
  const Fixed steps = __float2ull_rn(x * static_cast<float>(fixed_one));
  if (steps != 0) atomicAdd(sum, steps);
}

// Returns the same value, hidden from the compiler: what seldom-taken paths compute from it is then computed there, and
// takes no registers from the surrounding loop.
__device__ inline int forgotten(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

// The queries of a block and a warp, and the keys that these see.
template <int D> struct WarpQueries {
  const AttentionParams& p;
  int batch_head, head, row, first_query, lane, warp, key_begin;
  int warp_first, warp_last; // slots of the warp's queries; last < first: none

  __device__ explicit WarpQueries(const AttentionParams& params) : p(params) {
    head = blockIdx.y, row = blockIdx.z;
    batch_head = row * p.heads + head;
    first_query = (gridDim.x - 1 - blockIdx.x) * Queries<D>::block; // the longest work first
    lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    key_begin = p.key_begin ? static_cast<int>(p.key_begin[row]) : 0;
    warp_first = p.query_offset + first_query + warp * Queries<D>::warp;
    warp_last = min(warp_first + Queries<D>::warp, p.query_offset + p.queries) - 1;
  }

  __device__ WarpQueries again() const {
    WarpQueries copy = *this;
    copy.lane = forgotten(lane), copy.warp_first = forgotten(warp_first);
    return copy;
  }

  __device__ int first_key(int slot) const {
    return p.window > 0 ? max(key_begin, slot - p.window + 1) : max(key_begin, 0);
  }
  // The tiles of the block, from `last` down to `first`; none when all its queries are padding.
  __device__ int first_tile() const { return first_key(p.query_offset + first_query) / tile_keys; }
  __device__ int last_tile() const {
    const int last_slot = min(p.query_offset + first_query + Queries<D>::block, p.query_offset + p.queries) - 1;
    return last_slot < key_begin ? -1 : last_slot / tile_keys;
  }
  __device__ bool sees(int key) const { // any of the warp's queries any of the tile's keys
    return key <= warp_last && key + tile_keys > first_key(warp_first) && warp_last >= warp_first;
  }
  __device__ bool sees_all(int key) const { return key + tile_keys - 1 <= warp_first && key >= first_key(warp_last); }

  // For this thread's slot j: the query within the warp, its index in [batch, head, query], and whether it counts.
  __device__ int in_warp(int j) const { return 8 * (j / 2) + 2 * (lane % 4) + j % 2; }
  __device__ bool valid(int j) const {
    const int slot = warp_first + in_warp(j);
    return slot <= warp_last && slot >= key_begin;
  }
  __device__ std::int64_t query_at(int j) const {
    return static_cast<std::int64_t>(batch_head) * p.queries + (warp_first - p.query_offset) + in_warp(j);
  }
  // The key among 16.
  __device__ int key_of(int h) const { return 8 * h + lane / 4; }
};

template <typename Params> __device__ inline float capped(float x, const Params& p, float) {
  return p.cap_outer * tanhf(p.cap_inner * x);
}
template <typename Params, typename T> __device__ inline float capped(float x, const Params& p, T) {
  const float e = exp2_of(2.0f * log2_e * p.cap_inner * x); // infinite for large x: the quotient is 0
  return p.cap_outer * (1.0f - __fdividef(2.0f, 1.0f + fminf(e, 1e30f)));
}

// Applies the soft cap, and puts hidden keys far below all others. `key` is the slot of the first of the 16.
template <typename T, int D> __device__ inline void mask(Dots<D>& dot, const WarpQueries<D>& place, int key) {
  const bool cap = place.p.cap_outer > 0.0f;
#pragma unroll
  for (int n = 0; n < Queries<D>::tiles; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float& x = dot[n][e];
      if (cap) x = capped(x, place.p, T{});
      const int slot = place.warp_first + place.in_warp(2 * n + e % 2), at = key + place.key_of(e / 2);
      if (at > slot || at < place.first_key(slot)) x = hidden_dot;
    }
}

} // namespace headscope::kernels::cuda
