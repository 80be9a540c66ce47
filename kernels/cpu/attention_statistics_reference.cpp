// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <vector>

#include "kernels/cpu/attention_rows.h"
#include "kernels/cpu/attention_statistics.h"

namespace headscope::kernels {
namespace {

// A query's pattern: the weights of keys [first, first + weights.size()).
struct Row {
  std::int64_t query = 0, slot = 0, first = 0;
  double lse = 0.0;
  std::vector<double> weights;

  double weight(std::int64_t key) const {
    const std::int64_t i = key - first;
    return i >= 0 && i < static_cast<std::int64_t>(weights.size()) ? weights[static_cast<std::size_t>(i)] : 0.0;
  }
};

Row row_of(const AttentionProblem& problem, const HeadView& head, std::int64_t query) {
  Row row;
  row.query = query;
  row.slot = problem.variant.query_offset + query;
  row.first = problem.variant.first_key(row.slot, head.key_begin);
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t key = row.first; key <= row.slot; ++key) {
    double dot = 0.0;
    for (std::int64_t i = 0; i < problem.d_head; ++i)
      dot += static_cast<double>(element_at(problem.q, problem.element, head.query_at(problem, query) + i)) *
             static_cast<double>(element_at(problem.k, problem.element, head.key_at(problem, key) + i));
    row.weights.push_back(problem.variant.score(dot));
    largest = std::max(largest, row.weights.back());
  }
  double sum = 0.0;
  for (double& weight : row.weights)
    sum += weight = std::exp(weight - largest);
  for (double& weight : row.weights)
    weight /= sum;
  row.lse = largest + std::log(sum);
  return row;
}

void add_top(const Row& row, const AttentionStatistics& out, std::int64_t at) {
  std::vector<std::int64_t> order(row.weights.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = row.first + static_cast<std::int64_t>(i);
  const std::int64_t count = std::min<std::int64_t>(out.top_k, static_cast<std::int64_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](std::int64_t a, std::int64_t b) {
    return row.weight(a) != row.weight(b) ? row.weight(a) > row.weight(b) : a > b;
  });
  for (std::int64_t i = 0; i < out.top_k; ++i) {
    const std::int64_t key = i < count ? order[static_cast<std::size_t>(i)] : -1;
    if (out.top_key) out.top_key[at * out.top_k + i] = static_cast<std::int32_t>(key);
    if (out.top_weight) out.top_weight[at * out.top_k + i] = key < 0 ? 0.0f : static_cast<float>(row.weight(key));
  }
}

void add_query(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t head, const Row& row) {
  const std::int64_t at = head * problem.queries + row.query;
  if (out.lse) out.lse[at] = static_cast<float>(row.lse);
  if (out.entropy) {
    double entropy = 0.0;
    for (const double weight : row.weights)
      entropy -= weight > 0.0 ? weight * std::log(weight) : 0.0;
    out.entropy[at] = static_cast<float>(entropy);
  }
  for (int i = 0; out.span_mass && i < out.span_count; ++i) {
    double mass = 0.0;
    for (std::int64_t key = out.spans[i].begin; key < out.spans[i].end; ++key)
      mass += row.weight(key);
    out.span_mass[(head * out.span_count + i) * problem.queries + row.query] = static_cast<float>(mass);
  }
  if (out.top_k > 0) add_top(row, out, at);
}

void add_sums(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t head, const Row& row) {
  const std::int64_t key_blocks = out.pool_block ? blocks_of(problem.keys, out.pool_block) : 0;
  const std::int64_t cells = out.pool_block ? blocks_of(problem.queries, out.pool_block) * key_blocks : 0;
  for (std::int64_t key = row.first; key <= row.slot; ++key) {
    const double weight = row.weight(key);
    if (out.key_sum) out.key_sum[head * problem.keys + key] += weight;
    if (out.pool_block == 0) continue;
    const std::int64_t cell = head * cells + row.query / out.pool_block * key_blocks + key / out.pool_block;
    if (out.pool_sum) out.pool_sum[cell] += weight;
    if (out.pool_max) out.pool_max[cell] = std::max(out.pool_max[cell], static_cast<float>(weight));
  }
  for (int i = 0; out.stripe && i < out.distance_count; ++i)
    out.stripe[head * out.distance_count + i] += row.weight(row.slot - out.distances[i]);
}

} // namespace

void attention_statistics_reference(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t begin,
                                    std::int64_t end) {
  for (std::int64_t index = begin; index < end; ++index) {
    const HeadView head(problem, index);
    clear_head(problem, out, index);
    for (std::int64_t query = 0; query < problem.queries; ++query) {
      if (problem.variant.query_offset + query < head.key_begin) {
        clear_query(problem, out, index, query);
        continue;
      }
      const Row row = row_of(problem, head, query);
      add_query(problem, out, index, row);
      add_sums(problem, out, index, row);
    }
    finish_stripes(problem, out, head);
  }
}

} // namespace headscope::kernels
