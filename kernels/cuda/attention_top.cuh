// SPDX-License-Identifier: GPL-3.0-or-later
// The k largest weights of each of a warp's queries. Each thread puts candidates, those above the smallest weight that
// is kept, on a stack of its own; when one is nearly full, all are merged into the sorted lists, one query per thread.
// Keys come latest first, so that among equal weights the latest keys stay.
#pragma once

#include <cstdint>

namespace headscope::kernels::cuda {

constexpr int stack_room = 24, stack_full = stack_room - 16; // 16 more may come before the next check
constexpr int key_bits = 28;                                 // above them: which of the thread's queries

// An entry of `lists`: the weight's logarithm, as bits that sort like it, and the key; 0: an empty place.
using TopEntry = unsigned long long;

__device__ inline unsigned sorted_bits(float x) {
  const unsigned bits = __float_as_uint(x);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ inline float log_weight(TopEntry entry) {
  const auto sorted = static_cast<unsigned>(entry >> 32);
  return __uint_as_float(sorted & 0x80000000u ? sorted & 0x7fffffffu : ~sorted);
}
__device__ inline int key_of(TopEntry entry) { return static_cast<int>(entry & ((1u << key_bits) - 1)); }

struct Candidate {
  unsigned key; // and query
  float x;
};

// The lists of one warp in shared memory. Each has an odd number of entries, for threads that each read one.
struct TopLists {
  TopEntry* lists;  // [query, k or k + 1]
  Candidate* stack; // [stack_room, thread]
  int queries, k;

  __device__ TopEntry* list(int query) const { return lists + query * (k | 1); }

  __device__ void clear() const {
    for (int i = threadIdx.x % 32; i < queries * (k | 1); i += 32)
      lists[i] = 0;
    __syncwarp();
  }
  __device__ float smallest(int query, float none) const {
    const TopEntry entry = list(query)[k - 1];
    return entry == 0 ? none : log_weight(entry);
  }
};

// Called by the whole warp; `count` is how many entries this thread has on its stack, k <= K. Not inlined, since it is
// seldom called.
template <int K>
static __device__ __noinline__ void merge_sorted(TopEntry* lists, const Candidate* stack, int queries, int k,
                                                 int count) {
  const int query = threadIdx.x % 32; // see WarpQueries::in_warp
  const int column = query % 8 / 2;
  const unsigned slot = 2 * (query / 8) + query % 2;
  TopEntry* const list = lists + query * (k | 1);
  TopEntry best[K];
  __syncwarp();
#pragma unroll
  for (int i = 0; i < K; ++i)
    best[i] = i < k && query < queries ? list[i] : 0;
  for (int from = column; from < 32; from += 4) {
    const int size = __shfl_sync(~0u, count, from);
    for (int i = 0; i < size; ++i) {
      const Candidate candidate = stack[32 * i + from];
      if (candidate.key >> key_bits != slot) continue;
      TopEntry entry = static_cast<TopEntry>(sorted_bits(candidate.x)) << 32 | (candidate.key & ((1u << key_bits) - 1));
      if (entry <= best[K - 1]) continue;
#pragma unroll
      for (int place = 0; place < K; ++place) {
        const TopEntry lower = entry > best[place] ? best[place] : entry;
        best[place] = entry > best[place] ? entry : best[place];
        entry = lower;
      }
    }
    __syncwarp();
  }
#pragma unroll
  for (int i = 0; i < K; ++i)
    if (i < k && query < queries) list[i] = best[i];
  __syncwarp();
}

__device__ inline void merge(const TopLists& top, int count) {
  if (top.k <= 8)
    merge_sorted<8>(top.lists, top.stack, top.queries, top.k, count);
  else
    merge_sorted<16>(top.lists, top.stack, top.queries, top.k, count);
}

} // namespace headscope::kernels::cuda
