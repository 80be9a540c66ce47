// SPDX-License-Identifier: GPL-3.0-or-later
// The first pass: the log-sum-exp of each query's scores and a lower bound of its n-th largest score; or only the
// latter.
#pragma once

#include "kernels/cuda/attention_walk.cuh"

namespace headscope::kernels::cuda {

constexpr int bound_step = 7; // the pass for the bound alone reads one tile in so many

// For each query of this thread, over the keys it has seen: the largest dot product of those with h = 0 and h = 1, and
// the sum of 2^(score - base), where base follows the largest score at a distance.
template <int D> struct LseLook {
  static constexpr int slots = Queries<D>::slots;
  float top[slots][2], base[slots], sum[slots], factor;

  __device__ explicit LseLook(const AttentionParams& p) : factor(p.factor) {
#pragma unroll
    for (int j = 0; j < slots; ++j)
      top[j][0] = top[j][1] = hidden_dot, base[j] = no_weight, sum[j] = 0.0f;
  }

  // Whether all queries of the warp have a base: before that, any score would overflow.
  __device__ bool has_bases() const {
    bool all = true;
#pragma unroll
    for (int j = 0; j < slots; ++j)
      all = all && base[j] > no_weight;
    return __all_sync(~0u, all);
  }
  // Raises the bases to the largest scores so far, where some score is far above its base.
  __device__ void raise() {
    bool rises = false;
#pragma unroll
    for (int j = 0; j < slots; ++j)
      rises = rises || fmaxf(top[j][0], top[j][1]) * factor > base[j] + base_room;
    if (!rises) return;
#pragma unroll
    for (int j = 0; j < slots; ++j) {
      const float next = fmaxf(base[j], fmaxf(top[j][0], top[j][1]) * factor);
      sum[j] *= exp2_of(base[j] - next);
      base[j] = next;
    }
  }
  __device__ void start(const Dots<D>& dot) {
#pragma unroll
    for (int j = 0; j < slots; ++j)
      top[j][0] = fmaxf(top[j][0], dot[j / 2][j % 2]), top[j][1] = fmaxf(top[j][1], dot[j / 2][2 + j % 2]);
    raise();
  }
  __device__ void slot(const Dots<D>& dot, int j) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float x = dot[j / 2][2 * h + j % 2];
      top[j][h] = fmaxf(top[j][h], x);
      sum[j] += exp2_of(fmaf(x, factor, -base[j]));
    }
  }
  __device__ void end(const Dots<D>&, int) {}
};

// The n-th largest, n <= 16, of the two values of each of the 8 threads that hold keys of the same query. These values
// are maxima over disjoint sets of keys, so at least n keys reach it.
__device__ inline float nth_largest(const float (&mine)[2], int n, int lane) {
  int rank[2] = {1, 1};
#pragma unroll 1
  for (int other = lane % 4; other < 32; other += 4)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float value = __shfl_sync(~0u, mine[h], other);
#pragma unroll
      for (int i = 0; i < 2; ++i)
        rank[i] += value > mine[i] || (value == mine[i] && 2 * other + h < 2 * lane + i);
    }
  float found = rank[0] == n ? mine[0] : rank[1] == n ? mine[1] : -INFINITY;
  for (int other = 4; other < 32; other *= 2)
    found = fmaxf(found, __shfl_xor_sync(~0u, found, other));
  return found;
}

// For each query of this thread, over the keys it has seen: the largest dot product of those with h = 0 and h = 1.
template <int D> struct BoundLook {
  static constexpr int slots = Queries<D>::slots;
  float top[slots][2];

  __device__ BoundLook() {
#pragma unroll
    for (int j = 0; j < slots; ++j)
      top[j][0] = top[j][1] = hidden_dot;
  }
  __device__ void start(const Dots<D>&) {}
  __device__ void slot(const Dots<D>& dot, int j) {
#pragma unroll
    for (int h = 0; h < 2; ++h)
      top[j][h] = fmaxf(top[j][h], dot[j / 2][2 * h + j % 2]);
  }
  __device__ void end(const Dots<D>&, int) {}
};

// Computes, where the log-sum-exp is known, a bound from some of the keys, which holds for all of them.
template <typename T, int D>
__global__ void __launch_bounds__(threads, blocks_a_multiprocessor) bound_pass(const AttentionParams p) {
  extern __shared__ __align__(16) unsigned char memory[];
  T* const shared = reinterpret_cast<T*>(memory);
  const WarpQueries<D> place(p);
  Scores<T, D> product;
  product.take_queries(shared, query_rows<T>(p, place.row, place.head), p.q_strides.pos, place.first_query, p.queries,
                       p.d_head);
  BoundLook<D> look;
  walk<T, D, bound_step>(shared, key_rows<T>(p, place.row, place.head), p.k_strides.pos, place,
                         [&](int tile, const T* keys) {
                           const int key = tile * tile_keys;
                           if (!place.sees(key)) return;
                           if (p.cap_outer == 0.0f && place.sees_all(key))
                             look_at_all<T, D>(product, keys, shared, place, look);
                           else
                             look_at_some<T, D>(product, keys, shared, place, key, look);
                         });
#pragma unroll
  for (int j = 0; j < BoundLook<D>::slots; ++j) {
    const float bound = nth_largest(look.top[j], p.top_k, place.lane);
    if (place.lane / 4 == j && place.warp_first + place.in_warp(j) <= place.warp_last)
      p.bound[place.query_at(j)] = bound;
  }
}

template <typename T, int D>
__global__ void __launch_bounds__(threads, blocks_a_multiprocessor) lse_pass(const AttentionParams p) {
  extern __shared__ __align__(16) unsigned char memory[];
  T* const shared = reinterpret_cast<T*>(memory);
  const WarpQueries<D> place(p);
  Scores<T, D> product;
  product.take_queries(shared, query_rows<T>(p, place.row, place.head), p.q_strides.pos, place.first_query, p.queries,
                       p.d_head);
  // Bases are raised after a tile, so a score may overflow the sum; the pass is then repeated with checks at every
  // step.
  for (bool careful = false;; careful = true) {
    LseLook<D> look(p);
    bool started = false;
    walk<T, D>(shared, key_rows<T>(p, place.row, place.head), p.k_strides.pos, place, [&](int tile, const T* keys) {
      if (!place.sees(tile * tile_keys)) return;
      if (started && !careful && place.p.cap_outer == 0.0f && place.sees_all(tile * tile_keys)) {
        look_at_all<T, D>(product, keys, shared, place, look);
        look.raise();
      } else {
        look_at_some<T, D>(product, keys, shared, place, tile * tile_keys, look);
        started = look.has_bases();
      }
    });
    bool overflown = false;
#pragma unroll
    for (int j = 0; j < LseLook<D>::slots; ++j)
      overflown = overflown || !(look.sum[j] < INFINITY);
    if (__syncthreads_or(overflown) && !careful) continue;
#pragma unroll
    for (int j = 0; j < LseLook<D>::slots; ++j) {
      float next = look.base[j];
      for (int other = 4; other < 32; other *= 2)
        next = fmaxf(next, __shfl_xor_sync(~0u, next, other));
      const float total = over_keys(look.sum[j] * exp2_of(look.base[j] - next));
      const float bound = p.bound ? nth_largest(look.top[j], p.top_k, place.lane) : 0.0f;
      if (place.lane / 4 != j || place.warp_first + place.in_warp(j) > place.warp_last) continue;
      p.lse[place.query_at(j)] = place.valid(j) ? (next + log2f(total)) * ln_2 : -INFINITY;
      if (p.bound) p.bound[place.query_at(j)] = bound;
    }
    return;
  }
}

} // namespace headscope::kernels::cuda
