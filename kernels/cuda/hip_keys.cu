// SPDX-License-Identifier: GPL-3.0-or-later
// HiP's choice of keys: a block of 4 warps for each query block. Its lists are sorted in shared memory; the list of
// first halves is in order already, so that only second halves are scored and sorted, and the better half of both lists
// comes from one step of a bitonic merge.
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "kernels/cuda/attention_warp_queries.cuh"
#include "kernels/cuda/sparse_attention.h"

namespace headscope::kernels::cuda {
namespace {

constexpr int most_nodes = 1024, most_keys = 8192, query_rows = 16, most_row_tiles = 2;
constexpr std::int64_t most_stride = std::int64_t{1} << 31;
constexpr float no_score = -1e30f; // of a key block that no query sees
constexpr std::uint64_t last_place = ~std::uint64_t{0};

struct HipParams {
  const void *q, *k;
  HeadStrides q_strides, k_strides;
  int heads, group, d_head, queries, query_offset, model_window, k_stride;
  int nodes, window, block_q, block_k, sinks;
  int sorted_nodes, listed_keys; // filled up to a power of two and to a multiple of keys_at_once
  HipKeys out;
};

struct HipPlace {
  int head, row, first_query, end_query, end_slot, older;
  std::int64_t index;
  bool sees_all; // whether every query sees all the keys that are chosen from

  __device__ explicit HipPlace(const HipParams& p) {
    head = blockIdx.y, row = blockIdx.z;
    const int block = static_cast<int>(gridDim.x - 1 - blockIdx.x); // the longest work first
    index = (static_cast<std::int64_t>(row) * p.heads + head) * gridDim.x + block;
    first_query = block * p.block_q, end_query = min(first_query + p.block_q, p.queries);
    end_slot = p.query_offset + end_query, older = max(0, end_slot - p.window);
    sees_all = p.model_window == 0 && older + p.block_k <= p.query_offset + first_query + 1;
  }
  // Every other query; rows past the last one repeat it.
  __device__ int query(int at) const {
    return min(first_query + 2 * at, first_query + (end_query - 1 - first_query) / 2 * 2);
  }
  __device__ int row_tiles() const { return ((end_query - first_query + 1) / 2 + query_rows - 1) / query_rows; }
};

// Products of 16 queries with 16 keys at a time on tensor cores. A sum of products does not depend on their order, so
// each thread reads 16 neighbouring bytes of a key from where it is, which count as the elements that mma.m16n8k16
// wants of it, and the queries are read in the same order.
template <typename T, int D> struct KeyScores {
  static constexpr int parts = D / 32, keys = 16; // of 32 elements
  uint4 low[parts], high[parts];                  // of queries lane / 4 and lane / 4 + 8

  __device__ static uint4 part_of(const T* row, int part, bool valid) {
    return valid ? *reinterpret_cast<const uint4*>(row + 32 * part) : uint4{0, 0, 0, 0};
  }
  // The first element of this thread's, of 32.
  __device__ static int column() { return static_cast<int>(threadIdx.x) % 4 * 8; }

  __device__ void take_queries(const HipParams& p, const HipPlace& place, int tile, T*) {
    const T* const q = static_cast<const T*>(p.q) + place.row * p.q_strides.batch + place.head * p.q_strides.head;
    const int row = tile * query_rows + static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
    for (int part = 0; part < parts; ++part) {
      const bool valid = 32 * part + column() < p.d_head;
      low[part] = part_of(q + place.query(row) * p.q_strides.pos + column(), part, valid);
      high[part] = part_of(q + place.query(row + 8) * p.q_strides.pos + column(), part, valid);
    }
  }

  // The largest score of 16 keys, of which negative ones are none, over the 16 queries.
  __device__ void score(const HipParams& p, const HipPlace& place, int tile, const T* k, const int* keys, float* to,
                        const T*) const {
    const int lane = threadIdx.x % 32;
    uint4 b[2][parts];
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      const int key = keys[8 * group + lane / 4];
      const T* const row = k + static_cast<std::int64_t>(key) * p.k_stride + column();
#pragma unroll
      for (int part = 0; part < parts; ++part)
        b[group][part] = part_of(row, part, key >= 0 && 32 * part + column() < p.d_head);
    }
    float best[2][2];
#pragma unroll
    for (int group = 0; group < 2; ++group) {
      float c[4] = {};
#pragma unroll
      for (int part = 0; part < parts; ++part) {
        const unsigned a0[4] = {low[part].x, high[part].x, low[part].y, high[part].y};
        const unsigned a1[4] = {low[part].z, high[part].z, low[part].w, high[part].w};
        const unsigned b0[2] = {b[group][part].x, b[group][part].y}, b1[2] = {b[group][part].z, b[group][part].w};
        multiply(c, a0, b0, T{});
        multiply(c, a1, b1, T{});
      }
      if (!place.sees_all) hide(c, p, place, tile, keys + 8 * group);
      best[group][0] = fmaxf(c[0], c[2]), best[group][1] = fmaxf(c[1], c[3]);
    }
    write_largest(best, to, tile > 0);
  }

private:
  __device__ static void hide(float (&c)[4], const HipParams& p, const HipPlace& place, int tile, const int* keys) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int slot = p.query_offset + place.query(tile * query_rows + lane / 4 + e / 2 * 8);
      const int key = keys[lane % 4 * 2 + e % 2];
      if (key < 0 || key > slot || (p.model_window > 0 && slot - key >= p.model_window)) c[e] = no_score;
    }
  }

  // Each thread has values of 4 keys, of its two queries: halves them twice while it takes the largest of 8 threads.
  __device__ static void write_largest(const float (&best)[2][2], float* to, bool add) {
    const int lane = threadIdx.x % 32;
    const int group = lane / 16, odd = lane / 8 % 2;
    float first = group ? best[1][0] : best[0][0], second = group ? best[1][1] : best[0][1];
    first = fmaxf(first, __shfl_xor_sync(~0u, group ? best[0][0] : best[1][0], 16));
    second = fmaxf(second, __shfl_xor_sync(~0u, group ? best[0][1] : best[1][1], 16));
    float largest = fmaxf(odd ? second : first, __shfl_xor_sync(~0u, odd ? first : second, 8));
    largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 4));
    float& at = to[8 * group + lane % 4 * 2 + odd];
    if (lane % 8 < 4) at = add ? fmaxf(at, largest) : largest;
  }
};

// float32 by multiply-adds: a thread has one key, and the queries are in shared memory.
template <int D> struct KeyScores<float, D> {
  static constexpr int keys = 32;

  __device__ void take_queries(const HipParams& p, const HipPlace& place, int tile, float* shared) {
    const float* const q =
        static_cast<const float*>(p.q) + place.row * p.q_strides.batch + place.head * p.q_strides.head;
    __syncthreads();
    for (int at = threadIdx.x; at < query_rows * p.d_head; at += threads)
      shared[at / p.d_head * D + at % p.d_head] =
          q[place.query(tile * query_rows + at / p.d_head) * p.q_strides.pos + at % p.d_head];
    __syncthreads();
  }

  __device__ void score(const HipParams& p, const HipPlace& place, int tile, const float* k, const int* keys, float* to,
                        const float* queries) const {
    const int lane = threadIdx.x % 32, key = keys[lane];
    float x[query_rows] = {};
    if (key >= 0)
      for (int i = 0; i < p.d_head; i += 4) {
        const float4 b = *reinterpret_cast<const float4*>(k + static_cast<std::int64_t>(key) * p.k_stride + i);
#pragma unroll
        for (int r = 0; r < query_rows; ++r) {
          const float4 a = *reinterpret_cast<const float4*>(queries + r * D + i);
          x[r] = fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, x[r]))));
        }
      }
    float best = no_score;
#pragma unroll
    for (int r = 0; r < query_rows; ++r) {
      const int slot = p.query_offset + place.query(tile * query_rows + r);
      if (key >= 0 && key <= slot && (p.model_window == 0 || slot - key < p.model_window)) best = fmaxf(best, x[r]);
    }
    to[lane] = tile > 0 ? fmaxf(to[lane], best) : best;
  }
};

// Orders by falling score, then by rising place.
__device__ inline std::uint64_t sort_key(float score, int place) {
  const unsigned bits = __float_as_uint(score + 0.0f); // -0 becomes 0
  const unsigned rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<std::uint64_t>(~rising) << 32 | static_cast<unsigned>(place);
}

// One step of a bitonic network on `count` values. 32 neighbouring pairs are one warp's, so that steps of at most 32
// need no other.
__device__ inline void exchange(std::uint64_t* values, int count, int step, int ordered) {
  if (step <= 32)
    __syncwarp();
  else
    __syncthreads();
  for (int pair = threadIdx.x; pair < count / 2; pair += threads) {
    const int low = 2 * pair - (pair & (step - 1)), high = low + step;
    const bool rising = (low & ordered) == 0;
    const std::uint64_t a = values[low], b = values[high];
    if ((a > b) == rising) values[low] = b, values[high] = a;
  }
  if (step > 32) __syncthreads();
}

// Sorts `count` values, a power of two, all threads together. Needs __syncthreads() before and after.
__device__ inline void sort(std::uint64_t* values, int count) {
  for (int ordered = 2; ordered <= count; ordered *= 2)
    for (int step = ordered / 2; step > 0; step /= 2)
      exchange(values, count, step, ordered);
}

constexpr int keys_at_once =
    128; // the most that 4 warps score in a step; lists of keys are filled up to a multiple of it

struct HipLists {
  std::uint64_t *firsts, *seconds; // [sorted_nodes]
  int2 *runs, *next;               // begin and count of key blocks
  int* keys;                       // [nodes * block_k], the keys to be scored
  float *scores, *queries;         // scores: of keys
  int scored = 0;                  // keys that this thread has listed
};

// Scores the key blocks block_of(node), negative: none, over all queries.
template <typename T, int D, typename BlockOf>
__device__ inline void score_blocks(const HipParams& p, const HipPlace& place, HipLists& lists,
                                    KeyScores<T, D>& product, bool one_tile, const BlockOf& block_of) {
  const T* const k =
      static_cast<const T*>(p.k) + place.row * p.k_strides.batch + place.head / p.group * p.k_strides.head;
  T* const shared = reinterpret_cast<T*>(lists.queries);
  for (int node = threadIdx.x; node < p.nodes; node += threads) {
    const int block = block_of(node);
    for (int i = 0; i < p.block_k; ++i) {
      const int key = block * p.block_k + i;
      const bool listed = block >= 0 && key < place.end_slot;
      lists.keys[node * p.block_k + i] = listed ? key : -1;
      lists.scored += listed ? 1 : 0;
    }
  }
  __syncthreads();
  constexpr int keys = KeyScores<T, D>::keys;
  for (int tile = 0; tile < place.row_tiles(); ++tile) {
    if (!one_tile) product.take_queries(p, place, tile, shared);
#pragma unroll 2
    for (int from = static_cast<int>(threadIdx.x) / 32 * keys; from < p.listed_keys; from += warps * keys)
      product.score(p, place, tile, k, lists.keys + from, lists.scores + from, shared);
  }
  __syncthreads();
}

__device__ inline float block_score(const HipParams& p, const HipLists& lists, int node) {
  float best = no_score;
  for (int i = 0; i < p.block_k; ++i)
    best = fmaxf(best, lists.scores[node * p.block_k + i]);
  return best;
}

// Splits every run and keeps the better halves, in their order.
template <typename T, int D>
__device__ inline void halve(const HipParams& p, const HipPlace& place, HipLists& lists, KeyScores<T, D>& product,
                             bool one_tile, bool sorted) {
  const auto count_of = [&](int node) { return lists.runs[node].y; };
  score_blocks<T, D>(p, place, lists, product, one_tile,
                     [&](int node) { return count_of(node) > 1 ? lists.runs[node].x + (count_of(node) + 1) / 2 : -1; });
  for (int node = threadIdx.x; node < p.sorted_nodes; node += threads) {
    const bool halves = node < p.nodes && count_of(node) > 1;
    lists.seconds[node] = halves ? sort_key(block_score(p, lists, node), p.nodes + node) : last_place;
  }
  __syncthreads();
  if (!sorted) sort(lists.firsts, p.sorted_nodes);
  sort(lists.seconds, p.sorted_nodes);
  __syncthreads();
  for (int node = threadIdx.x; node < p.sorted_nodes; node += threads) {
    const std::uint64_t other = lists.seconds[p.sorted_nodes - 1 - node];
    if (other < lists.firsts[node]) lists.firsts[node] = other;
  }
  __syncthreads();
  for (int step = p.sorted_nodes / 2; step > 0; step /= 2)
    exchange(lists.firsts, p.sorted_nodes, step, 2 * p.sorted_nodes);
  __syncthreads();
  for (int node = threadIdx.x; node < p.sorted_nodes; node += threads) {
    if (node >= p.nodes) {
      lists.firsts[node] = last_place;
      continue;
    }
    const int from = static_cast<int>(lists.firsts[node] & 0xffffffffu);
    const int2 run = lists.runs[from < p.nodes ? from : from - p.nodes];
    const int half = (run.y + 1) / 2;
    lists.next[node] = from < p.nodes ? int2{run.x, half} : int2{run.x + half, run.y - half};
    lists.firsts[node] = (lists.firsts[node] & ~std::uint64_t{0xffffffffu}) | static_cast<unsigned>(node);
  }
  __syncthreads();
  int2* const before = lists.runs;
  lists.runs = lists.next, lists.next = before;
}

template <typename T, int D> __device__ inline void choose(const HipParams& p, const HipPlace& place, HipLists& lists) {
  const int blocks = (place.older + p.block_k - 1) / p.block_k;
  for (int node = threadIdx.x; node < p.nodes; node += threads) {
    const int begin = static_cast<int>(static_cast<std::int64_t>(blocks) * node / p.nodes);
    lists.runs[node] = {begin, static_cast<int>(static_cast<std::int64_t>(blocks) * (node + 1) / p.nodes) - begin};
  }
  __syncthreads();
  KeyScores<T, D> product;
  const bool one_tile = place.row_tiles() == 1; // then the queries stay in registers
  if (one_tile) product.take_queries(p, place, 0, reinterpret_cast<T*>(lists.queries));
  score_blocks<T, D>(p, place, lists, product, one_tile, [&](int node) { return lists.runs[node].x; });
  for (int node = threadIdx.x; node < p.sorted_nodes; node += threads)
    lists.firsts[node] = node < p.nodes ? sort_key(block_score(p, lists, node), node) : last_place;
  __syncthreads();
  for (bool sorted = false;; sorted = true) {
    bool more = false;
    for (int node = threadIdx.x; node < p.nodes; node += threads)
      more = more || lists.runs[node].y > 1;
    if (!__syncthreads_or(more)) break;
    halve<T, D>(p, place, lists, product, one_tile, sorted);
  }
  for (int node = threadIdx.x; node < p.sorted_nodes; node += threads)
    lists.firsts[node] = node < p.nodes ? static_cast<unsigned>(lists.runs[node].x) : last_place;
  __syncthreads();
  sort(lists.firsts, p.sorted_nodes);
  __syncthreads();
}

template <typename T, int D> __global__ void __launch_bounds__(threads, D <= 128 ? 4 : 2) hip_pass(const HipParams p) {
  extern __shared__ __align__(16) unsigned char memory[];
  HipLists lists;
  lists.firsts = reinterpret_cast<std::uint64_t*>(memory), lists.seconds = lists.firsts + p.sorted_nodes;
  lists.runs = reinterpret_cast<int2*>(lists.seconds + p.sorted_nodes), lists.next = lists.runs + p.sorted_nodes;
  lists.queries = reinterpret_cast<float*>(lists.next + p.sorted_nodes);
  lists.scores = lists.queries + (sizeof(T) == 4 ? query_rows * D : 0);
  lists.keys = reinterpret_cast<int*>(lists.scores + p.listed_keys);
  for (int at = p.nodes * p.block_k + static_cast<int>(threadIdx.x); at < p.listed_keys; at += threads)
    lists.keys[at] = -1;
  const HipPlace place(p);
  const std::int64_t start = place.index * (p.nodes + 2);
  const bool chooses = place.older > p.nodes * p.block_k;
  if (chooses) choose<T, D>(p, place, lists);
  const int most = chooses ? p.nodes + 2 : 1, sinks = min(p.sinks, place.older);
  for (int at = threadIdx.x; at < most; at += threads) {
    KeyRun run{0, place.end_slot};
    if (chooses && at == 0) run = {0, sinks};
    if (chooses && at == most - 1) run = {place.older, place.end_slot};
    if (chooses && at > 0 && at < most - 1) {
      const int begin = static_cast<int>(lists.firsts[at - 1]) * p.block_k;
      run = {max(begin, sinks), max(min(begin + p.block_k, place.older), sinks)};
    }
    p.out.runs[start + at] = run;
  }
  if (threadIdx.x == 0) p.out.first[place.index] = start, p.out.last[place.index] = start + most;
  if (p.out.scored && chooses)
    atomicAdd(reinterpret_cast<unsigned long long*>(p.out.scored) + place.index,
              static_cast<unsigned long long>(lists.scored) * ((place.end_query - place.first_query + 1) / 2));
}

template <typename T, int D> cudaError_t launch_dim(const HipParams& p, int blocks, int batch, cudaStream_t stream) {
  const int queries = sizeof(T) == 4 ? query_rows * D * 4 : 0;
  const int bytes = p.sorted_nodes * 32 + p.listed_keys * 8 + queries;
  const auto kernel = hip_pass<T, D>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  kernel<<<dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(p.heads), static_cast<unsigned>(batch)), threads,
           static_cast<std::size_t>(bytes), stream>>>(p);
  return cudaGetLastError();
}

template <typename T> cudaError_t launch(const HipParams& p, int blocks, int batch, cudaStream_t stream) {
  if (p.d_head <= 64) return launch_dim<T, 64>(p, blocks, batch, stream);
  if (p.d_head <= 128) return launch_dim<T, 128>(p, blocks, batch, stream);
  return launch_dim<T, 256>(p, blocks, batch, stream);
}

} // namespace

bool can_run_hip(const AttentionProblem& problem, const HipOptions& options) {
  const std::int64_t width = problem.element == Element::f32 ? 4 : 2;
  const auto aligned = [&](const void* data, const HeadStrides& strides) {
    const auto whole = [&](std::int64_t elements) { return elements * width % 16 == 0; };
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && whole(strides.batch) && whole(strides.pos) &&
           whole(strides.head);
  };
  return problem.d_head % 8 == 0 && problem.d_head <= 256 && problem.keys < (std::int64_t{1} << 28) &&
         problem.k_strides.pos < most_stride && problem.heads < 65536 && problem.batch < 65536 &&
         options.block_q <= 2 * query_rows * most_row_tiles && options.nodes() <= most_nodes &&
         options.k <= most_keys && !problem.key_begin && aligned(problem.q, problem.q_strides) &&
         aligned(problem.k, problem.k_strides);
}

int hip_keys(const AttentionProblem& problem, const HipOptions& options, const HipKeys& out, void* stream) {
  if (!can_run_hip(problem, options)) return static_cast<int>(cudaErrorInvalidValue);
  HipParams p{};
  p.q = problem.q, p.k = problem.k, p.q_strides = problem.q_strides, p.k_strides = problem.k_strides;
  p.heads = static_cast<int>(problem.heads), p.group = static_cast<int>(problem.heads / problem.kv_heads);
  p.d_head = static_cast<int>(problem.d_head), p.queries = static_cast<int>(problem.queries);
  p.query_offset = static_cast<int>(problem.variant.query_offset);
  p.model_window = static_cast<int>(problem.variant.window < problem.keys ? problem.variant.window : 0);
  p.nodes = static_cast<int>(options.nodes());
  for (p.sorted_nodes = 2; p.sorted_nodes < p.nodes;)
    p.sorted_nodes *= 2;
  p.listed_keys = static_cast<int>(blocks_of(options.k, keys_at_once) * keys_at_once);
  p.k_stride = static_cast<int>(problem.k_strides.pos);
  p.window = static_cast<int>(options.window < problem.keys ? options.window : problem.keys);
  p.block_q = static_cast<int>(options.block_q), p.block_k = static_cast<int>(options.block_k);
  p.sinks = static_cast<int>(options.sinks < problem.keys ? options.sinks : problem.keys);
  p.out = out;
  const int blocks = static_cast<int>(blocks_of(problem.queries, options.block_q));
  const int batch = static_cast<int>(problem.batch);
  if (batch == 0 || blocks == 0) return 0;
  const auto run = problem.element == Element::bf16  ? launch<__nv_bfloat16>
                   : problem.element == Element::f16 ? launch<__half>
                                                     : launch<float>;
  return static_cast<int>(run(p, blocks, batch, static_cast<cudaStream_t>(stream)));
}

} // namespace headscope::kernels::cuda
