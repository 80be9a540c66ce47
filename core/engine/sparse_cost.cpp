// SPDX-License-Identifier: GPL-3.0-or-later
// What attention over chosen keys costs, counted from the very runs that the kernels get, and how its parts are joined.
#include <ATen/ATen.h>

#include "core/engine/sparse_attention.h"

namespace headscope {
namespace {

// Every run of every block of queries, side by side; all int64 [pair].
struct Pairs {
  at::Tensor block;      // number in [batch, head, query_block]
  at::Tensor begin, end; // of the run
};

constexpr std::int64_t no_slot = -(std::int64_t{1} << 40);

// The slots of queries by block, [batch * head * block, block_q].
at::Tensor slots_of(const SparseAttentionInput& in, const VisitedKeys& keys, std::int64_t blocks) {
  const std::int64_t batch = in.q.size(0), heads = in.q.size(1), queries = in.q.size(2), places = blocks * keys.block_q;
  const auto integers = at::TensorOptions().dtype(at::kLong).device(in.q.device());
  at::Tensor query = at::arange(places, integers).view({1, 1, places});
  query = keys.order.defined() ? keys.order.to(at::kLong) : query.masked_fill(query >= queries, -1);
  const at::Tensor slot = at::floor_divide(query, in.per_slot) + in.query_offset;
  return slot.masked_fill(query < 0, no_slot).expand({batch, heads, places}).reshape({-1, keys.block_q});
}

Pairs pairs_of(const SparseAttentionInput& in, const VisitedKeys& keys, std::int64_t blocks) {
  const at::DimVector all = {in.q.size(0), in.q.size(1), blocks};
  const at::Tensor first = keys.first.expand(all).reshape({-1}), last = keys.last.expand(all).reshape({-1});
  const at::Tensor count = last - first, before = count.cumsum(0) - count;
  Pairs out;
  out.block = at::repeat_interleave(count);
  const at::Tensor within = at::arange(out.block.size(0), count.options()) - before.index_select(0, out.block);
  const at::Tensor run = keys.runs.to(at::kLong).index_select(0, first.index_select(0, out.block) + within);
  out.begin = run.select(1, 0), out.end = run.select(1, 1);
  return out;
}

// How many of the keys [begin, end) queries see that see `window` keys up to their own slot.
at::Tensor seen_by(const at::Tensor& slot, const at::Tensor& begin, const at::Tensor& end, std::int64_t window) {
  at::Tensor from = begin;
  if (window > 0) from = at::maximum(from, slot - (window - 1));
  return (at::minimum(end, slot + 1) - from).clamp_min(0);
}

std::int64_t narrower(std::int64_t a, std::int64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

} // namespace

AttentionCost cost_of(const SparseAttentionInput& in, const VisitedKeys& keys) {
  constexpr std::int64_t at_once = std::int64_t{1} << 22; // pairs of a query and a run
  const std::int64_t blocks = keys.first.size(2), per_row = in.q.size(1) * blocks, window = in.window.value_or(0);
  const at::Tensor slots = slots_of(in, keys, blocks);
  const Pairs pairs = pairs_of(in, keys, blocks);
  at::Tensor padding = at::zeros({in.q.size(0)}, slots.options());
  if (!in.key_begin.empty()) padding = at::tensor(in.key_begin, at::kLong).to(slots.device());
  AttentionCost cost;
  const std::int64_t step = std::max<std::int64_t>(1, at_once / keys.block_q), count = pairs.block.size(0);
  for (std::int64_t at = 0; at < count; at += step) {
    const auto some = [&](const at::Tensor& x) { return x.narrow(0, at, std::min(step, count - at)); };
    const at::Tensor block = some(pairs.block), slot = slots.index_select(0, block);
    const at::Tensor key_begin = padding.index_select(0, at::floor_divide(block, per_row)).unsqueeze(1);
    const at::Tensor begin = at::maximum(some(pairs.begin).unsqueeze(1), key_begin), end = some(pairs.end).unsqueeze(1);
    // Sinks are seen beyond the mechanism's own window.
    const at::Tensor split =
        keys.window > 0 ? at::minimum(at::maximum(key_begin + keys.sinks, begin), at::maximum(begin, end)) : end;
    at::Tensor seen = seen_by(slot, begin, split, window);
    if (keys.window > 0) seen = seen + seen_by(slot, split, end, narrower(window, keys.window));
    const at::Tensor real = slot != no_slot;
    cost.attended += seen.masked_fill(real.logical_not(), 0).sum().item<std::int64_t>();
    // What the kernels cut off a run: what no query of the block sees.
    const at::Tensor least = slot.masked_fill(real.logical_not(), INT64_MAX).amin(1, true), most = slot.amax(1, true);
    at::Tensor from = begin;
    if (window > 0) from = at::maximum(from, least - (window - 1));
    if (keys.window > 0)
      from = at::where(from >= key_begin + keys.sinks, at::maximum(from, least - (keys.window - 1)), from);
    const at::Tensor length = (at::minimum(end, most + 1) - from).clamp_min(0);
    cost.scored += (length * real.sum(1, true)).sum().item<std::int64_t>();
  }
  cost.bytes = cost.scored * (in.k.size(3) + in.v.size(3)) * static_cast<std::int64_t>(in.k.element_size());
  return cost;
}

SparseAttentionOutput joined(const std::vector<SparseAttentionOutput>& parts) {
  if (parts.size() == 1) return parts.front();
  std::vector<at::Tensor> sums;
  for (const SparseAttentionOutput& part : parts)
    sums.push_back(part.log_sum_exp);
  const at::Tensor total = at::logsumexp(at::stack(sums), 0), base = at::nan_to_num(total, 0.0, 0.0, 0.0);
  at::Tensor z;
  for (const SparseAttentionOutput& part : parts) {
    const at::Tensor share = (part.log_sum_exp - base).exp().unsqueeze(-1);
    const at::Tensor own = part.z.to(at::kFloat) * share;
    z = z.defined() ? z + own : own;
  }
  return {z.to(parts.front().z.scalar_type()), total};
}

} // namespace headscope
