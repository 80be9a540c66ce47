// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/text.h"

#include <ATen/ATen.h>

namespace headscope::mechanisms {
namespace {

at::Tensor arange(const Text& text, Range range) {
  return at::arange(range.begin, range.end, at::TensorOptions().dtype(at::kLong).device(text.q.device()));
}

} // namespace

at::Tensor query_positions(const Text& text, Range queries) { return arange(text, queries).unsqueeze(1); }

at::Tensor key_positions(const Text& text, const std::vector<Range>& keys) {
  if (keys.size() == 1) return arange(text, keys.front()).unsqueeze(0);
  std::vector<at::Tensor> parts;
  for (const Range& range : keys)
    parts.push_back(arange(text, range));
  return at::cat(parts).unsqueeze(0);
}

at::Tensor take_queries(const Text& text, const at::Tensor& x, Range queries) {
  return x.narrow(1, queries.begin - text.first, queries.count());
}

at::Tensor take_keys(const at::Tensor& x, const std::vector<Range>& keys) {
  if (keys.size() == 1) return x.narrow(1, keys.front().begin, keys.front().count());
  std::vector<at::Tensor> parts;
  for (const Range& range : keys)
    parts.push_back(x.narrow(1, range.begin, range.count()));
  return at::cat(parts, 1);
}

at::Tensor over_all_keys(const at::Tensor& x, const std::vector<Range>& keys, std::int64_t all, double fill) {
  std::vector<at::Tensor> parts;
  std::int64_t key = 0, column = 0;
  const auto pad_to = [&](std::int64_t end) {
    if (end > key) parts.push_back(at::full({x.size(0), x.size(1), end - key}, fill, x.options()));
  };
  for (const Range& range : keys) {
    pad_to(range.begin);
    parts.push_back(x.narrow(2, column, range.count()));
    column += range.count();
    key = range.end;
  }
  pad_to(all);
  return parts.size() == 1 ? parts.front() : at::cat(parts, 2);
}

at::Tensor weights_of(const Tile& tile) { return tile.are_weights ? tile.scores : tile.scores.softmax(-1); }

at::Tensor values_of(const Tile& tile, const at::Tensor& v) {
  if (!tile.index.defined()) return take_keys(v, tile.keys);
  return v.gather(1, tile.index.unsqueeze(-1).expand({tile.index.size(0), tile.index.size(1), v.size(2)}));
}

at::Tensor over_all_keys(const at::Tensor& x, const Tile& tile, std::int64_t all, double fill) {
  if (!tile.index.defined()) return over_all_keys(x, tile.keys, all, fill);
  // Unused entries of the index may repeat a key, so the fill must not win over what is there.
  const at::Tensor index = tile.index.unsqueeze(1).expand_as(x);
  const at::Tensor base = at::full({x.size(0), x.size(1), all}, fill, x.options());
  return fill == 0.0 ? base.scatter_add(2, index, x) : base.scatter_reduce(2, index, x, "amax");
}

Tile gated(Tile tile, const at::Tensor& v) {
  if (!tile.gate) return tile;
  const at::Tensor weights = weights_of(tile), values = values_of(tile, v);
  const at::Tensor z = at::matmul(weights.to(values.scalar_type()), values);
  tile.scores = weights * tile.gate(z).to(at::kFloat).unsqueeze(-1);
  tile.are_weights = true;
  tile.gate = nullptr;
  return tile;
}

void count_products(const Text& text, const at::Tensor& products, const at::Tensor& q) {
  if (!text.cost) return;
  text.cost->scored += products.numel();
  text.cost->bytes += products.numel() * q.size(2) * static_cast<std::int64_t>(q.element_size());
}

at::Tensor raw_scores(const Text& text, const at::Tensor& q, const at::Tensor& k) {
  const at::Tensor products = at::matmul(q, k.transpose(1, 2));
  count_products(text, products, q);
  const at::Tensor scores = products.to(at::kFloat) * text.scale;
  return text.softcap ? at::tanh(scores / *text.softcap) * *text.softcap : scores;
}

Tile full_scores(const Text& text, Range queries, const std::vector<Range>& keys) {
  const at::Tensor q = take_queries(text, text.q, queries);
  const at::Tensor query = query_positions(text, queries), key = key_positions(text, keys);
  at::Tensor hidden = key > query;
  if (text.window) hidden = hidden.logical_or(query - key >= *text.window);
  return {raw_scores(text, q, take_keys(text.k, keys)).masked_fill(hidden, not_visited), keys};
}

at::Tensor full_scores(const Text& text, Range queries, Range keys) {
  return full_scores(text, queries, std::vector<Range>{keys}).scores;
}

Tile scores_of_all(const Text& text, Range queries) {
  return full_scores(text, queries, std::vector<Range>{{0, queries.end}});
}

} // namespace headscope::mechanisms
