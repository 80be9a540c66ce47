// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/head_measures.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>

namespace headscope::mechanisms {

// Sums over queries, [layer][head].
struct MeasuredPlan::Sums {
  std::vector<double> mass_kept, kl, z_error, overlap, keys, queries;
  AttentionCost cost;
};

namespace {

// Adds x [head, query], summed over queries, to the entries of these heads.
void add_to(std::vector<double>& sums, std::size_t first, const std::vector<std::int64_t>& heads, const at::Tensor& x) {
  const at::Tensor by_head = x.sum(-1, false, at::kDouble).to(at::kCPU);
  for (std::size_t i = 0; i < heads.size(); ++i)
    sums[first + static_cast<std::size_t>(heads[i])] += by_head[static_cast<std::int64_t>(i)].item<double>();
}

// Of n visited keys the share that is among the n with the largest weights, [head, query]; 0 where none is visited.
at::Tensor overlap_with_largest(const at::Tensor& full, const at::Tensor& visited) {
  const at::Tensor count = visited.sum(-1, true); // [head, query, 1]
  const at::Tensor sorted = std::get<0>(full.sort(-1, /*descending=*/true));
  const at::Tensor least = sorted.gather(-1, (count - 1).clamp_min(0));
  const at::Tensor both = visited.logical_and(full >= least).sum(-1, true);
  return (at::minimum(both, count) / count.clamp_min(1).to(at::kDouble)).squeeze(-1);
}

// The logarithms of a tile's weights over all keys: -inf where a key is not visited, NaN where a weight is below zero.
at::Tensor log_weights(const Tile& tile, std::int64_t keys) {
  if (tile.are_weights) return over_all_keys(tile.scores, tile, keys, 0.0).log();
  return over_all_keys(tile.scores, tile, keys, not_visited).log_softmax(-1);
}

} // namespace

MeasuredPlan::MeasuredPlan(std::shared_ptr<const AttentionPlan> plan, std::int64_t n_layers, std::int64_t n_heads,
                           std::int64_t skip)
    : plan_(std::move(plan)), n_heads_(n_heads), skip_(skip), sums_(std::make_unique<Sums>()) {
  for (std::vector<double>* each :
       {&sums_->mass_kept, &sums_->kl, &sums_->z_error, &sums_->overlap, &sums_->keys, &sums_->queries})
    each->assign(static_cast<std::size_t>(n_layers * n_heads), 0.0);
}

MeasuredPlan::~MeasuredPlan() = default;

void MeasuredPlan::add(const AttentionInput& in, const AttentionRows& rows, std::int64_t row,
                       const PlanPart& part) const {
  const RowText found = row_text(in, rows, row, part.heads);
  if (found.count == 0) return;
  const Text& text = found.text; // the model's own; the mechanism may change its copy
  const OpenPart open(in, rows, row, part);
  const std::size_t first = static_cast<std::size_t>(in.layer) * static_cast<std::size_t>(n_heads_);
  for_each_tile(found, [&](Range queries) {
    queries.begin = std::max(queries.begin, skip_);
    if (queries.count() <= 0) return;
    const std::vector<Range> keys = {{0, queries.end}};
    const at::Tensor v = take_keys(text.v, keys).to(at::kFloat);
    const at::Tensor log_full = full_scores(text, queries, keys).scores.log_softmax(-1);
    const Tile tile = gated(open.tile(queries), open.row.text.v);
    const at::Tensor own = over_all_keys(weights_of(tile), tile, queries.end, 0.0), full = log_full.exp();
    const at::Tensor log_own = log_weights(tile, queries.end), visited = log_own != not_visited;
    const at::Tensor z_full = at::matmul(full, v);
    const at::Tensor z = at::matmul(own, open.row.text.v.narrow(1, 0, queries.end).to(at::kFloat));
    add_to(sums_->mass_kept, first, part.heads, (full * visited).sum(-1));
    const at::Tensor kl = (own * (log_own - log_full)).masked_fill(visited.logical_not(), 0.0).sum(-1);
    // Weights that are no shares have no divergence from shares.
    add_to(sums_->kl, first, part.heads, tile.are_weights ? at::full_like(kl, std::nan("")) : kl);
    add_to(sums_->z_error, first, part.heads, (z - z_full).norm(2, {-1}) / z_full.norm(2, {-1}).clamp_min(1e-30));
    add_to(sums_->overlap, first, part.heads, overlap_with_largest(full, visited));
    add_to(sums_->keys, first, part.heads, visited.sum(-1));
    add_to(sums_->queries, first, part.heads, at::ones_like(z.select(-1, 0)));
  });
}

at::Tensor MeasuredPlan::run_rows(const AttentionInput& in, const AttentionRows& rows) const {
  for (const PlanPart& part : plan_->parts(in.layer))
    for (std::int64_t row = 0; row < in.q.size(0); ++row)
      add(in, rows, row, part);
  AttentionRows counted = rows;
  counted.cost = &sums_->cost;
  return plan_->run_rows(in, counted);
}

HeadMeasures MeasuredPlan::measures() const {
  const auto mean = [&](const std::vector<double>& sums) {
    std::vector<double> means(sums.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (sums_->queries[i] > 0) means[i] = sums[i] / sums_->queries[i];
    return means;
  };
  return {mean(sums_->mass_kept), mean(sums_->kl),   mean(sums_->z_error),
          mean(sums_->overlap),   mean(sums_->keys), sums_->cost};
}

} // namespace headscope::mechanisms
