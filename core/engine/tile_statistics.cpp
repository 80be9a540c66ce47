// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/tile_statistics.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace headscope {

using kernels::blocks_of;

TileStatistics::TileStatistics(const AttentionInput& input, const AttentionStatisticsRequest& request)
    : request_(request), mask_(input.mask), queries_(input.q.size(1)), keys_(input.k.size(1)) {
  const std::int64_t batch = input.q.size(0), heads = input.q.size(2);
  const auto options = input.q.options().dtype(at::kDouble).requires_grad(false);
  if (request.key_sum) sums_.key_sum = at::zeros({batch, heads, keys_}, options);
  if (!request.distances.empty())
    sums_.stripe = at::zeros({batch, heads, static_cast<std::int64_t>(request.distances.size())}, options);
  if (request.pool_block == 0) return;
  const at::DimVector map = {batch, heads, blocks_of(queries_, request.pool_block),
                             blocks_of(keys_, request.pool_block)};
  sums_.pool_sum = at::zeros(map, options);
  sums_.pool_max = at::zeros(map, options.dtype(at::kFloat));
}

void TileStatistics::add(const PatternTile& tile) {
  const std::int64_t first = tile.query_begin, rows = tile.pattern.size(2);
  at::Tensor pattern = tile.pattern.to(at::kFloat); // [batch, head, query, key]
  if (!mask_.key_begin.empty()) {
    const at::Tensor begin = at::tensor(mask_.key_begin, at::kLong).to(pattern.device()).view({-1, 1, 1, 1});
    const at::Tensor slot = at::arange(first, first + rows, begin.options()).view({1, 1, rows, 1});
    pattern = pattern.masked_fill(slot < begin, 0.0);
  }
  if (request_.key_sum) sums_.key_sum += pattern.sum(2, false, at::kDouble);
  if (request_.entropy) entropy_.push_back(at::special_entr(pattern).sum(-1));
  for (std::size_t i = 0; i < request_.distances.size(); ++i) {
    const at::Tensor diagonal = pattern.diagonal(first - request_.distances[i], 2, 3);
    sums_.stripe.select(2, static_cast<std::int64_t>(i)) += diagonal.sum(-1, false, at::kDouble);
  }
  std::vector<at::Tensor> spans;
  for (const kernels::KeySpan& span : request_.spans) {
    const std::int64_t end = std::min(span.end, keys_);
    spans.push_back(span.begin < end ? pattern.narrow(-1, span.begin, end - span.begin).sum(-1)
                                     : at::zeros({pattern.size(0), pattern.size(1), rows}, pattern.options()));
  }
  if (!spans.empty()) span_mass_.push_back(at::stack(spans, 2));
  if (request_.top_k > 0) {
    const auto [weight, key] = pattern.topk(std::min<std::int64_t>(request_.top_k, keys_), -1);
    const std::int64_t missing = request_.top_k - weight.size(-1);
    top_key_.push_back(at::constant_pad_nd(key.masked_fill(weight <= 0.0, -1), {0, missing}, -1).to(at::kInt));
    top_weight_.push_back(at::constant_pad_nd(weight, {0, missing}, 0.0));
  }
  if (request_.pool_block > 0) add_map(pattern, first - mask_.query_offset);
}

// `first` is the index of the tile's first query in the run.
void TileStatistics::add_map(const at::Tensor& pattern, std::int64_t first) {
  const std::int64_t block = request_.pool_block, columns = blocks_of(keys_, block), rows = pattern.size(2);
  const at::Tensor by_block = at::constant_pad_nd(pattern, {0, columns * block - keys_}, 0.0)
                                  .view({pattern.size(0), pattern.size(1), rows, columns, block});
  const at::Tensor sum = by_block.sum(-1, false, at::kDouble), largest = by_block.amax(-1);
  for (std::int64_t row = 0; row < rows;) {
    const std::int64_t cell = (first + row) / block, count = std::min(rows, (cell + 1) * block - first) - row;
    sums_.pool_sum.select(2, cell) += sum.narrow(2, row, count).sum(2);
    at::Tensor so_far = sums_.pool_max.select(2, cell);
    so_far.copy_(at::maximum(so_far, largest.narrow(2, row, count).amax(2)));
    row += count;
  }
}

AttentionStatistics TileStatistics::finish() {
  AttentionStatistics result = sums_;
  if (!entropy_.empty()) result.entropy = at::cat(entropy_, 2);
  if (!span_mass_.empty()) result.span_mass = at::cat(span_mass_, 3);
  if (!top_key_.empty()) {
    result.top_key = at::cat(top_key_, 2);
    result.top_weight = at::cat(top_weight_, 2);
  }
  if (!result.stripe.defined()) return result;
  kernels::AttentionProblem shape;
  shape.queries = queries_;
  shape.variant.query_offset = mask_.query_offset;
  for (std::int64_t row = 0; row < result.stripe.size(0); ++row) {
    const std::int64_t begin = mask_.key_begin.empty() ? 0 : mask_.key_begin[static_cast<std::size_t>(row)];
    for (std::size_t i = 0; i < request_.distances.size(); ++i) {
      const std::int64_t length = kernels::stripe_length(shape, request_.distances[i], begin);
      result.stripe[row].select(1, static_cast<std::int64_t>(i)) /=
          static_cast<double>(std::max<std::int64_t>(length, 1));
    }
  }
  return result;
}

} // namespace headscope
