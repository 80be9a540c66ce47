// SPDX-License-Identifier: GPL-3.0-or-later
// Sparse attention and HiP's choice as plain C functions over torch's tensors, for
// tests/bench/peers/sparse_attention.py: one row of bfloat16 [pos, head, d_head], as many K/V heads as heads. Both
// return a cudaError_t.
#include <cmath>

#include "kernels/cuda/sparse_attention.h"

namespace {

using namespace headscope::kernels;

AttentionProblem problem_of(const void* q, const void* k, std::int64_t tokens, std::int64_t heads,
                            std::int64_t d_head) {
  AttentionProblem problem;
  problem.q = q, problem.k = k;
  problem.element = Element::bf16;
  problem.heads = problem.kv_heads = heads, problem.d_head = d_head;
  problem.queries = problem.keys = tokens;
  problem.q_strides = problem.k_strides = {tokens * heads * d_head, heads * d_head, d_head};
  problem.variant.scale = 1.0 / std::sqrt(static_cast<double>(d_head));
  return problem;
}

} // namespace

// first and last: [block] where shared is set, else [head, block].
extern "C" __attribute__((visibility("default"))) int
sparse(const void* q, const void* k, const void* v, void* z, std::int64_t tokens, std::int64_t heads,
       std::int64_t d_head, const void* runs, const std::int64_t* first, const std::int64_t* last, std::int64_t shared,
       std::int64_t block_q, std::int64_t sinks, std::int64_t window, const std::int32_t* order, std::int64_t places,
       void* stream) {
  SparseProblem problem;
  problem.scores = problem_of(q, k, tokens, heads, d_head);
  problem.v = v, problem.v_strides = problem.scores.k_strides;
  problem.keys.runs = static_cast<const KeyRun*>(runs), problem.keys.first = first, problem.keys.last = last;
  problem.keys.block_q = block_q;
  problem.order.list = order, problem.order.places = places; // shared by all heads; null: as they come
  problem.keys.head_step = shared != 0 ? 0 : problem.blocks();
  problem.sinks = sinks, problem.window = window;
  return cuda::sparse_attention(problem, {z, problem.scores.q_strides, nullptr}, stream);
}

extern "C" __attribute__((visibility("default"))) int hip(const void* q, const void* k, std::int64_t tokens,
                                                          std::int64_t heads, std::int64_t d_head, std::int64_t kept,
                                                          std::int64_t window, std::int64_t block_q,
                                                          std::int64_t block_k, void* runs, std::int64_t* first,
                                                          std::int64_t* last, void* stream) {
  return cuda::hip_keys(problem_of(q, k, tokens, heads, d_head), {kept, window, block_q, block_k, 0},
                        {static_cast<KeyRun*>(runs), first, last}, stream);
}
