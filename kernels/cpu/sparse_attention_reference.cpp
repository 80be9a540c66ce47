// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <vector>

#include "kernels/cpu/sparse_attention.h"
#include "kernels/cpu/sparse_rows.h"

namespace headscope::kernels {
namespace {

double score(const AttentionProblem& problem, const HeadView& head, std::int64_t query, std::int64_t key) {
  double dot = 0.0;
  for (std::int64_t i = 0; i < problem.d_head; ++i)
    dot += static_cast<double>(element_at(problem.q, problem.element, head.query_at(problem, query) + i)) *
           static_cast<double>(element_at(problem.k, problem.element, head.key_at(problem, key) + i));
  return problem.variant.score(dot);
}

void attend(const SparseProblem& problem, const SparseOutput& out, const Piece& piece, std::int64_t query) {
  const AttentionProblem& scores = problem.scores;
  const std::int64_t slot = problem.slot(query);
  std::vector<std::int64_t> keys;
  std::vector<double> weights;
  for (const KeyRun* run = piece.runs; run != piece.runs_end; ++run)
    for (std::int64_t key = run->begin; key < run->end; ++key)
      if (problem.sees(slot, key, piece.head.key_begin)) {
        keys.push_back(key);
        weights.push_back(score(scores, piece.head, query, key));
      }
  const double largest = keys.empty() ? 0.0 : *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights)
    sum += weight = std::exp(weight - largest);
  for (std::int64_t i = 0; i < scores.d_head; ++i) {
    double z = 0.0;
    for (std::size_t n = 0; n < keys.size(); ++n)
      z +=
          weights[n] * static_cast<double>(element_at(problem.v, scores.element, piece.value_at(problem, keys[n]) + i));
    put_element(out.z, scores.element, piece.z_at(out, query) + i, keys.empty() ? 0.0f : static_cast<float>(z / sum));
  }
  if (out.lse) out.lse[piece.lse_at(problem, query)] = static_cast<float>(largest + std::log(sum));
}

} // namespace

void sparse_attention_reference(const SparseProblem& problem, const SparseOutput& out, std::int64_t begin,
                                std::int64_t end) {
  for (std::int64_t number = begin; number < end; ++number) {
    const Piece piece(problem, number);
    for (std::int64_t place = piece.begin; place < piece.end; ++place)
      attend(problem, out, piece, piece.query(place));
  }
}

} // namespace headscope::kernels
