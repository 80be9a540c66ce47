// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by the plain and the fast form of sparse attention: what a piece of the problem consists of.
#pragma once

#include "kernels/cpu/attention_rows.h"
#include "kernels/sparse_attention.h"

namespace headscope::kernels {
namespace {

inline void put_element(void* data, Element element, std::int64_t index, float value) {
  if (element == Element::f32)
    static_cast<float*>(data)[index] = value;
  else
    static_cast<std::uint16_t*>(data)[index] = element == Element::bf16 ? float_to_bf16(value) : float_to_f16(value);
}

// One block of queries of one head.
struct Piece {
  Piece(const SparseProblem& problem, std::int64_t number)
      : head(problem.scores, number / problem.blocks()), block(number % problem.blocks()),
        begin(block * problem.keys.block_q), end(std::min(begin + problem.keys.block_q, problem.places())) {
    const QueryOrder& order = problem.order;
    if (order.list) list = order.list + head.row * order.row_step + head.head * order.head_step;
    while (list && end > begin && list[end - 1] < 0)
      --end;
    const std::int64_t at = head.row * problem.keys.row_step + head.head * problem.keys.head_step + block;
    runs = problem.keys.runs + problem.keys.first[at];
    runs_end = problem.keys.runs + problem.keys.last[at];
  }

  std::int64_t query(std::int64_t place) const { return list ? list[place] : place; }
  std::int64_t value_at(const SparseProblem& problem, std::int64_t key) const {
    return head.row * problem.v_strides.batch + key * problem.v_strides.pos + head.kv_head * problem.v_strides.head;
  }
  std::int64_t z_at(const SparseOutput& out, std::int64_t query) const {
    return head.row * out.z_strides.batch + query * out.z_strides.pos + head.head * out.z_strides.head;
  }
  std::int64_t lse_at(const SparseProblem& problem, std::int64_t query) const {
    return head.index * problem.scores.queries + query;
  }

  HeadView head;
  std::int64_t block, begin, end;     // places of its queries
  const std::int32_t* list = nullptr; // of queries by place; null: they are the same
  const KeyRun *runs, *runs_end;
};

} // namespace
} // namespace headscope::kernels
