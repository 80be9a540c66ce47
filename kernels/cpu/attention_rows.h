// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by the plain and the fast form: where a head's rows are, and the outputs that need hardly any arithmetic.
// Everything is internal to each file that includes it, since some of them are compiled for newer CPUs.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/attention_statistics.h"
#include "kernels/cpu/float_types.h"

namespace headscope::kernels {
namespace {

inline std::size_t size_of(Element element) { return element == Element::f32 ? 4 : 2; }

inline float element_at(const void* data, Element element, std::int64_t index) {
  if (element == Element::f32) return static_cast<const float*>(data)[index];
  const std::uint16_t bits = static_cast<const std::uint16_t*>(data)[index];
  return element == Element::bf16 ? bf16_to_float(bits) : f16_to_float(bits);
}

// One head of one row of the batch.
struct HeadView {
  HeadView(const AttentionProblem& problem, std::int64_t number)
      : index(number), row(number / problem.heads), head(number % problem.heads),
        kv_head(head / (problem.heads / problem.kv_heads)), key_begin(problem.key_begin ? problem.key_begin[row] : 0) {}

  // The first element of position `pos`.
  std::int64_t query_at(const AttentionProblem& problem, std::int64_t pos) const {
    return row * problem.q_strides.batch + pos * problem.q_strides.pos + head * problem.q_strides.head;
  }
  std::int64_t key_at(const AttentionProblem& problem, std::int64_t pos) const {
    return row * problem.k_strides.batch + pos * problem.k_strides.pos + kv_head * problem.k_strides.head;
  }

  std::int64_t index, row, head, kv_head, key_begin;
};

// Zeroes the outputs that are summed over queries.
inline void clear_head(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t head) {
  if (out.key_sum) std::fill_n(out.key_sum + head * problem.keys, problem.keys, 0.0);
  if (out.stripe) std::fill_n(out.stripe + head * out.distance_count, out.distance_count, 0.0);
  if (out.pool_block == 0) return;
  const std::int64_t cells = blocks_of(problem.queries, out.pool_block) * blocks_of(problem.keys, out.pool_block);
  if (out.pool_sum) std::fill_n(out.pool_sum + head * cells, cells, 0.0);
  if (out.pool_max) std::fill_n(out.pool_max + head * cells, cells, 0.0f);
}

// Writes the outputs of a query that is padding.
inline void clear_query(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t head,
                        std::int64_t query) {
  const std::int64_t at = head * problem.queries + query;
  if (out.lse) out.lse[at] = -std::numeric_limits<float>::infinity();
  if (out.entropy) out.entropy[at] = 0.0f;
  for (int i = 0; out.span_mass && i < out.span_count; ++i)
    out.span_mass[(head * out.span_count + i) * problem.queries + query] = 0.0f;
  for (int i = 0; i < out.top_k; ++i) {
    if (out.top_key) out.top_key[at * out.top_k + i] = -1;
    if (out.top_weight) out.top_weight[at * out.top_k + i] = 0.0f;
  }
}

// Turns sums of stripes into means.
inline void finish_stripes(const AttentionProblem& problem, const AttentionStatistics& out, const HeadView& head) {
  for (int i = 0; out.stripe && i < out.distance_count; ++i) {
    double& stripe = out.stripe[head.index * out.distance_count + i];
    const std::int64_t length = stripe_length(problem, out.distances[i], head.key_begin);
    stripe = length > 0 ? stripe / static_cast<double>(length) : 0.0;
  }
}

} // namespace
} // namespace headscope::kernels
