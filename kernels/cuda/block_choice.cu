// SPDX-License-Identifier: GPL-3.0-or-later
// A warp for each query. The smallest score that is chosen is found bit by bit, from the highest on: at least so many
// scores reach it. 16-bit scores have 16 bits, so that a row is looked through 16 times, from shared memory.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "kernels/cuda/block_choice.h"

namespace headscope::kernels::cuda {
namespace {

constexpr int most_blocks = 8192, most_warps = 4;

// Whole numbers in the order of the scores, above 0: 0 stands for NaN, which is below all.
__device__ inline unsigned rank_of(float x) {
  const unsigned bits = __float_as_uint(x + 0.0f); // -0 becomes 0
  return x != x ? 0 : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
template <typename T> __device__ inline unsigned rank_of(T x) {
  unsigned bits = *reinterpret_cast<const unsigned short*>(&x);
  const float value = static_cast<float>(x);
  if (value == 0.0f) bits = 0;
  return value != value ? 0 : bits & 0x8000u ? 0xffffu & ~bits : bits | 0x8000u;
}
// What a row in shared memory consists of.
template <typename T> struct RankOf { using Type = unsigned short; };
template <> struct RankOf<float> { using Type = unsigned; };

__device__ inline int sum_of_warp(int x) { return __reduce_add_sync(~0u, x); }

template <typename T> __global__ void choose_pass(const BlockScores p, std::int64_t* out) {
  using Rank = typename RankOf<T>::Type;
  extern __shared__ __align__(16) unsigned char memory[];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + warp;
  if (row >= p.heads * p.queries) return;
  Rank* const ranks = reinterpret_cast<Rank*>(memory) + warp * p.blocks;
  const T* const scores = static_cast<const T*>(p.scores) + row * p.blocks;
  const int first = static_cast<int>(p.first), end = static_cast<int>(p.end(row % p.queries));
  const int choices = static_cast<int>(p.choices);
  std::int64_t* const to = out + row * choices;
  for (int at = first + lane; at < end; at += 32)
    ranks[at] = static_cast<Rank>(rank_of(scores[at]));
  __syncwarp();
  unsigned least = 0; // rank of the smallest that is chosen; 0: all are
  if (end - first > choices)
    for (unsigned bit = 1u << (8 * sizeof(Rank) - 1); bit; bit >>= 1) {
      int reach = 0;
      for (int at = first + lane; at < end; at += 32)
        reach += ranks[at] >= (least | bit) ? 1 : 0;
      if (sum_of_warp(reach) >= choices) least |= bit;
    }
  int above = 0;
  for (int at = first + lane; at < end; at += 32)
    above += ranks[at] > least ? 1 : 0;
  int equal = choices - sum_of_warp(above), written = 0; // so many of those that are equal to the smallest
  for (int from = first; from < end && written < choices; from += 32) {
    const unsigned rank = from + lane < end ? ranks[from + lane] : 0;
    const bool inside = from + lane < end, ties = inside && rank == least;
    const unsigned before = (1u << lane) - 1, of_ties = __ballot_sync(~0u, ties);
    const bool chosen = inside && (rank > least || (ties && __popc(of_ties & before) < equal));
    const unsigned of_chosen = __ballot_sync(~0u, chosen);
    if (chosen) to[written + __popc(of_chosen & before)] = from + lane;
    equal = max(0, equal - __popc(of_ties)), written += __popc(of_chosen);
  }
  for (int at = written + lane; at < choices; at += 32)
    to[at] = -1;
}

template <typename T> cudaError_t launch(const BlockScores& p, std::int64_t* out, cudaStream_t stream) {
  const auto bytes = static_cast<std::size_t>(p.blocks) * sizeof(typename RankOf<T>::Type);
  const int warps = bytes * most_warps <= 48 * 1024 ? most_warps : 1; // that much needs no asking for
  const std::int64_t rows = p.heads * p.queries;
  choose_pass<T><<<static_cast<unsigned>((rows + warps - 1) / warps), 32 * warps,
                   bytes* static_cast<std::size_t>(warps), stream>>>(p, out);
  return cudaGetLastError();
}

} // namespace

bool can_choose_blocks(const BlockScores& scores) {
  return scores.blocks <= most_blocks && scores.heads * scores.queries < std::int64_t{1} << 31;
}

int choose_blocks(const BlockScores& scores, std::int64_t* out, void* stream) {
  if (!can_choose_blocks(scores)) return static_cast<int>(cudaErrorInvalidValue);
  if (scores.heads * scores.queries == 0 || scores.choices == 0) return 0;
  const auto run = scores.element == Element::bf16  ? launch<__nv_bfloat16>
                   : scores.element == Element::f16 ? launch<__half>
                                                    : launch<float>;
  return static_cast<int>(run(scores, out, static_cast<cudaStream_t>(stream)));
}

} // namespace headscope::kernels::cuda
