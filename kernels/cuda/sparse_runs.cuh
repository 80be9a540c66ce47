// SPDX-License-Identifier: GPL-3.0-or-later
// The keys of a block of queries as one row, whatever runs they come in: which key is at a place of that row. Runs are
// cut to what the queries may see, and read some hundred at a time.
#pragma once

#include "kernels/cuda/attention_warp_queries.cuh"
#include "kernels/cuda/sparse_launch.h"

namespace headscope::kernels::cuda {

constexpr int most_runs = 512; // at a time
constexpr int no_key = 0x7fffffff;

// In shared memory: the queries of a block of threads and their slots, which ascend. Where there are fewer than rows,
// the rest have query -1 and the slot of the last.
template <int rows> struct BlockQueries { int query[rows], slot[rows]; };

// The queries of a block and what they see.
struct SparsePlace {
  int head, row, count; // count: of the queries of this block of threads
  int key_begin, first_slot, last_slot;
  const int *query, *slot; // as BlockQueries has them
  const KeyRun *runs, *runs_end;

  // `rows` queries, one of `tiles` parts of a block. All threads of the block call it.
  template <int rows> __device__ SparsePlace(const SparseParams& p, int tiles, BlockQueries<rows>& queries) {
    static_assert(rows <= threads);
    head = blockIdx.y, row = blockIdx.z;
    const int number = static_cast<int>(gridDim.x - 1 - blockIdx.x); // the longest work first
    const int block = number / tiles, block_q = static_cast<int>(p.visited.block_q);
    const int begin = block * block_q + number % tiles * rows;
    const int end = min(min(begin + rows, (block + 1) * block_q), p.places), at_place = static_cast<int>(threadIdx.x);
    const std::int32_t* const list =
        p.order.list ? p.order.list + row * p.order.row_step + head * p.order.head_step : nullptr;
    const int own = begin + at_place >= end ? -1 : list ? list[begin + at_place] : begin + at_place;
    count = __syncthreads_count(at_place < rows && own >= 0);
    if (count == 0) return;
    const int last = list ? list[begin + count - 1] : begin + count - 1;
    if (at_place < rows) {
      queries.query[at_place] = own;
      queries.slot[at_place] = p.query_offset + (own >= 0 ? own : last) / p.per_slot;
    }
    __syncthreads();
    query = queries.query, slot = queries.slot;
    key_begin = p.key_begin ? static_cast<int>(p.key_begin[row]) : 0;
    first_slot = slot[0], last_slot = slot[rows - 1];
    const std::int64_t at = row * p.visited.row_step + head * p.visited.head_step + block;
    runs = p.visited.runs + p.visited.first[at], runs_end = p.visited.runs + p.visited.last[at];
  }

  // Cuts off what no query of the block sees.
  __device__ KeyRun cut(const SparseParams& p, KeyRun run) const {
    run.begin = max(run.begin, p.window > 0 ? max(key_begin, first_slot - p.window + 1) : key_begin);
    if (p.own_window > 0 && run.begin >= key_begin + p.sinks) run.begin = max(run.begin, first_slot - p.own_window + 1);
    run.end = min(run.end, last_slot + 1);
    return run;
  }

  // Whether queries at slots [first, last] all see keys [least, most].
  __device__ bool all_seen(const SparseParams& p, int first, int last, int least, int most) const {
    const bool own = p.own_window == 0 || last - least < p.own_window || most < key_begin + p.sinks;
    return most <= first && own && (p.window == 0 || last - least < p.window);
  }
  // Whether they see none of them for sure.
  __device__ bool none_seen(const SparseParams& p, int first, int last, int least, int most) const {
    const bool own = p.own_window > 0 && first - most >= p.own_window && least >= key_begin + p.sinks;
    return least > last || own || (p.window > 0 && first - most >= p.window);
  }
  __device__ bool seen(const SparseParams& p, int slot, int key) const {
    const bool own = p.own_window == 0 || slot - key < p.own_window || key < key_begin + p.sinks;
    return key <= slot && own && (p.window == 0 || slot - key < p.window);
  }
};

// In shared memory: the runs read last, and the place in the row at which each begins.
struct RunTable {
  int warp_sum[warps], used, begin[most_runs], place[most_runs + 1];

  // Reads runs from `from` on; returns how many keys they have. All threads of the block call it.
  __device__ int read(const SparseParams& p, const SparsePlace& at, const KeyRun* from) {
    constexpr int each = most_runs / threads;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    __syncthreads();
    int length[each], sum = 0;
#pragma unroll
    for (int i = 0; i < each; ++i) {
      const int number = static_cast<int>(threadIdx.x) * each + i;
      const KeyRun run = from + number < at.runs_end ? at.cut(p, from[number]) : KeyRun{};
      begin[number] = run.begin;
      length[i] = max(run.end - run.begin, 0);
      sum += length[i];
    }
    int before = sum;
    for (int other = 1; other < 32; other *= 2) {
      const int value = __shfl_up_sync(~0u, before, other);
      if (lane >= other) before += value;
    }
    if (lane == 31) warp_sum[warp] = before;
    __syncthreads();
    before -= sum;
    for (int other = 0; other < warp; ++other)
      before += warp_sum[other];
#pragma unroll
    for (int i = 0; i < each; ++i) {
      place[static_cast<int>(threadIdx.x) * each + i] = before;
      before += length[i];
    }
    if (threadIdx.x == threads - 1) place[most_runs] = before;
    if (threadIdx.x == 0) used = static_cast<int>(min(at.runs_end - from, static_cast<std::int64_t>(most_runs)));
    __syncthreads();
    return place[most_runs];
  }

  // The key at a place of the row of `count` keys.
  __device__ int key_at(int at, int count) const {
    if (at >= count) return no_key;
    int low = 0, high = used; // place[low] <= at < place[high]
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (place[middle] <= at)
        low = middle;
      else
        high = middle;
    }
    return begin[low] + at - place[low];
  }
};

} // namespace headscope::kernels::cuda
