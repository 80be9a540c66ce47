// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cuda/sparse_attention.h"

#include "kernels/cuda/sparse_launch.h"

namespace headscope::kernels::cuda {
namespace {

constexpr double log2_e = 1.4426950408889634074;
constexpr std::int64_t most_keys = std::int64_t{1} << 28, most_places = std::int64_t{1} << 30,
                       most_stride = std::int64_t{1} << 31;

SparseParams describe(const SparseProblem& problem, const SparseOutput& out) {
  const AttentionProblem& scores = problem.scores;
  SparseParams p{};
  p.q = scores.q, p.k = scores.k, p.v = problem.v;
  p.q_strides = scores.q_strides, p.k_strides = scores.k_strides, p.v_strides = problem.v_strides;
  p.z = out.z, p.z_strides = out.z_strides, p.lse = out.lse;
  p.k_stride = static_cast<int>(scores.k_strides.pos), p.v_stride = static_cast<int>(problem.v_strides.pos);
  p.key_begin = scores.key_begin;
  p.visited = problem.keys, p.order = problem.order;
  p.heads = static_cast<int>(scores.heads);
  p.group = static_cast<int>(scores.heads / scores.kv_heads);
  p.d_head = static_cast<int>(scores.d_head);
  p.queries = static_cast<int>(scores.queries);
  p.places = static_cast<int>(problem.places()), p.per_slot = static_cast<int>(problem.per_slot);
  p.keys = static_cast<int>(scores.keys);
  p.blocks = static_cast<int>(problem.blocks());
  p.query_offset = static_cast<int>(scores.variant.query_offset);
  const auto narrow = [&](std::int64_t window) { // wider than all keys: none
    return static_cast<int>(window < scores.keys ? window : 0);
  };
  p.window = narrow(scores.variant.window), p.own_window = narrow(problem.window);
  p.sinks = static_cast<int>(problem.sinks < scores.keys ? problem.sinks : scores.keys);
  p.factor = static_cast<float>(scores.variant.scale * log2_e);
  if (scores.variant.softcap > 0.0) {
    p.factor = 1.0f;
    p.cap_inner = static_cast<float>(scores.variant.scale / scores.variant.softcap);
    p.cap_outer = static_cast<float>(scores.variant.softcap * log2_e);
  }
  return p;
}

} // namespace

bool can_run_sparse(const SparseProblem& problem, const SparseOutput& out) {
  const AttentionProblem& p = problem.scores;
  const std::int64_t width = p.element == Element::f32 ? 4 : 2;
  const auto aligned = [&](const void* data, const HeadStrides& strides) {
    const auto whole = [&](std::int64_t elements) { return elements * width % 16 == 0; };
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && whole(strides.batch) && whole(strides.pos) &&
           whole(strides.head);
  };
  return p.d_head % 8 == 0 && p.d_head <= 256 && p.keys < most_keys && problem.places() < most_places &&
         p.k_strides.pos < most_stride && problem.v_strides.pos < most_stride && p.heads < 65536 && p.batch < 65536 &&
         problem.keys.block_q > 0 && problem.keys.block_q < most_keys && aligned(p.q, p.q_strides) &&
         aligned(p.k, p.k_strides) && aligned(problem.v, problem.v_strides) && aligned(out.z, out.z_strides);
}

int sparse_attention(const SparseProblem& problem, const SparseOutput& out, void* stream) {
  if (!can_run_sparse(problem, out)) return static_cast<int>(cudaErrorInvalidValue);
  const SparseParams p = describe(problem, out);
  const int batch = static_cast<int>(problem.scores.batch);
  if (batch == 0 || p.queries == 0) return 0;
  const auto launch = problem.scores.element == Element::bf16  ? launch_sparse_bf16
                      : problem.scores.element == Element::f16 ? launch_sparse_f16
                                                               : launch_sparse_f32;
  return static_cast<int>(launch(p, batch, static_cast<cudaStream_t>(stream)));
}

} // namespace headscope::kernels::cuda
