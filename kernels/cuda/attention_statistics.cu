// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/attention_statistics.h"

#include "kernels/cuda/attention_launch.h"

namespace headscope::kernels::cuda {
namespace {

constexpr double log2_e = 1.4426950408889634074;

AttentionParams describe(const AttentionProblem& problem) {
  AttentionParams p{};
  p.q = problem.q, p.k = problem.k;
  p.q_strides = problem.q_strides, p.k_strides = problem.k_strides;
  p.key_begin = problem.key_begin;
  p.heads = static_cast<int>(problem.heads);
  p.group = static_cast<int>(problem.heads / problem.kv_heads);
  p.d_head = static_cast<int>(problem.d_head);
  p.queries = static_cast<int>(problem.queries);
  p.keys = static_cast<int>(problem.keys);
  const AttentionVariant& variant = problem.variant;
  p.window = static_cast<int>(variant.window < problem.keys ? variant.window : 0); // wider than all keys: none
  p.query_offset = static_cast<int>(variant.query_offset);
  p.factor = static_cast<float>(variant.scale * log2_e);
  if (variant.softcap > 0.0) {
    p.factor = 1.0f;
    p.cap_inner = static_cast<float>(variant.scale / variant.softcap);
    p.cap_outer = static_cast<float>(variant.softcap * log2_e);
  }
  return p;
}

cudaError_t launch(AttentionPass pass, const AttentionProblem& problem, const AttentionParams& p, cudaStream_t stream) {
  const int batch = static_cast<int>(problem.batch);
  if (batch == 0 || p.queries == 0) return cudaSuccess;
  if (problem.element == Element::bf16) return launch_bf16(pass, p, batch, stream);
  if (problem.element == Element::f16) return launch_f16(pass, p, batch, stream);
  return launch_f32(pass, p, batch, stream);
}

__global__ void to_double(Fixed* sums, std::int64_t count) {
  const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at < count)
    reinterpret_cast<double*>(sums)[at] = static_cast<double>(static_cast<long long>(sums[at])) * (1.0 / fixed_one);
}

__global__ void to_means(Fixed* stripes, AttentionParams p, int batch) {
  const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (at >= batch * p.heads * p.distance_count) return;
  AttentionProblem problem;
  problem.queries = p.queries;
  problem.variant.query_offset = p.query_offset;
  const std::int64_t begin = p.key_begin ? p.key_begin[at / (p.heads * p.distance_count)] : 0;
  const std::int64_t length = stripe_length(problem, p.distances[at % p.distance_count], begin);
  const double sum = static_cast<double>(static_cast<long long>(stripes[at])) * (1.0 / fixed_one);
  reinterpret_cast<double*>(stripes)[at] = length > 0 ? sum / static_cast<double>(length) : 0.0;
}

unsigned blocks_for(std::int64_t count) { return static_cast<unsigned>((count + 255) / 256); }

// The sizes of outputs that are summed over blocks.
struct Sizes {
  std::int64_t key_sum, stripe, span_mass, cells;

  Sizes(const AttentionProblem& problem, const AttentionStatistics& out) {
    const std::int64_t heads = problem.batch * problem.heads;
    key_sum = out.key_sum ? heads * problem.keys : 0;
    stripe = out.stripe ? heads * out.distance_count : 0;
    span_mass = out.span_mass ? heads * out.span_count * problem.queries : 0;
    cells = out.pool_block
                ? heads * blocks_of(problem.queries, out.pool_block) * blocks_of(problem.keys, out.pool_block)
                : 0;
  }
};

cudaError_t clear(const AttentionStatistics& out, const Sizes& sizes, cudaStream_t stream) {
  const auto zero = [&](void* data, std::int64_t bytes) {
    return data && bytes > 0 ? cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), stream) : cudaSuccess;
  };
  const cudaError_t errors[] = {zero(out.key_sum, 8 * sizes.key_sum), zero(out.stripe, 8 * sizes.stripe),
                                zero(out.span_mass, 4 * sizes.span_mass), zero(out.pool_sum, 8 * sizes.cells),
                                zero(out.pool_max, 4 * sizes.cells)};
  for (const cudaError_t error : errors)
    if (error != cudaSuccess) return error;
  return cudaSuccess;
}

void fill(AttentionParams& p, const AttentionStatistics& out) {
  p.key_sum = reinterpret_cast<Fixed*>(out.key_sum);
  p.entropy = out.entropy;
  p.stripe = reinterpret_cast<Fixed*>(out.stripe);
  p.distance_count = out.stripe ? out.distance_count : 0;
  for (int i = 0; i < p.distance_count; ++i)
    p.distances[i] = static_cast<int>(out.distances[i]);
  p.span_mass = out.span_mass;
  p.span_count = out.span_mass ? out.span_count : 0;
  for (int i = 0; i < p.span_count; ++i)
    p.span_begin[i] = static_cast<int>(out.spans[i].begin), p.span_end[i] = static_cast<int>(out.spans[i].end);
  p.top_k = out.top_k;
  p.top_key = out.top_key, p.top_weight = out.top_weight;
  p.pool_block = static_cast<int>(out.pool_block);
  p.pool_sum = reinterpret_cast<Fixed*>(out.pool_sum), p.pool_max = out.pool_max;
}

bool aligned(const void* data, const HeadStrides& strides, std::int64_t width) {
  const auto whole = [&](std::int64_t elements) { return elements * width % 16 == 0; };
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && whole(strides.batch) && whole(strides.pos) &&
         whole(strides.head);
}

} // namespace

bool can_run(const AttentionProblem& problem, const AttentionStatistics& out) {
  constexpr std::int64_t most = std::int64_t{1} << 28;
  const std::int64_t width = problem.element == Element::f32 ? 4 : 2;
  return problem.d_head % 8 == 0 && problem.d_head <= 256 && problem.keys < most && problem.heads < 65536 &&
         problem.batch < 65536 && aligned(problem.q, problem.q_strides, width) &&
         aligned(problem.k, problem.k_strides, width) && out.pool_block % pool_unit == 0 &&
         out.distance_count <= max_distances && out.span_count <= max_spans && out.top_k <= max_top_k;
}

int attention_lse(const AttentionProblem& problem, float* lse, float* bound, int top_k, void* stream) {
  if (!can_run(problem, {}) || top_k > max_top_k) return static_cast<int>(cudaErrorInvalidValue);
  AttentionParams p = describe(problem);
  p.lse = lse, p.bound = bound, p.top_k = top_k;
  return static_cast<int>(launch(AttentionPass::lse, problem, p, static_cast<cudaStream_t>(stream)));
}

int attention_bound(const AttentionProblem& problem, float* bound, int top_k, void* stream) {
  if (!can_run(problem, {}) || top_k < 1 || top_k > max_top_k) return static_cast<int>(cudaErrorInvalidValue);
  AttentionParams p = describe(problem);
  p.bound = bound, p.top_k = top_k;
  return static_cast<int>(launch(AttentionPass::bound, problem, p, static_cast<cudaStream_t>(stream)));
}

int attention_statistics(const AttentionProblem& problem, const float* lse, const float* bound,
                         const AttentionStatistics& out, void* stream) {
  if (!can_run(problem, out)) return static_cast<int>(cudaErrorInvalidValue);
  auto* const on = static_cast<cudaStream_t>(stream);
  const Sizes sizes(problem, out);
  if (const cudaError_t error = clear(out, sizes, on); error != cudaSuccess) return static_cast<int>(error);
  AttentionParams p = describe(problem);
  p.lse = const_cast<float*>(lse), p.bound = const_cast<float*>(bound); // only the first pass writes them
  fill(p, out);
  if (const cudaError_t error = launch(AttentionPass::statistics, problem, p, on); error != cudaSuccess)
    return static_cast<int>(error);
  if (sizes.key_sum > 0) to_double<<<blocks_for(sizes.key_sum), 256, 0, on>>>(p.key_sum, sizes.key_sum);
  if (sizes.cells > 0 && p.pool_sum) to_double<<<blocks_for(sizes.cells), 256, 0, on>>>(p.pool_sum, sizes.cells);
  if (sizes.stripe > 0)
    to_means<<<blocks_for(sizes.stripe), 256, 0, on>>>(p.stripe, p, static_cast<int>(problem.batch));
  return static_cast<int>(cudaGetLastError());
}

} // namespace headscope::kernels::cuda
