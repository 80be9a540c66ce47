// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/chosen_blocks.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

// How many queries of a block of keys the kernels take at once, by how many have chosen one on average.
std::int64_t queries_at_once(std::int64_t mean, const at::Device& device) {
  if (device.is_cpu()) return 64; // of which unused places cost nothing
  return mean >= 256 ? 128 : mean >= 64 ? 64 : 32;
}

// Lists the choices of each block of keys one after the other, [1, head, place], and with each list its block's run.
VisitedKeys turned_over(const BlockChoice& choice, std::int64_t keys) {
  const std::int64_t heads = choice.block.size(0), blocks = (keys + choice.size - 1) / choice.size;
  const at::Tensor flat = choice.block.reshape({heads, -1});
  const at::Tensor of_choice = at::where(flat < 0, blocks, flat); // behind the blocks is one without keys
  const auto [sorted, order] = of_choice.to(at::kInt).sort(true, 1, false);
  const at::Tensor count =
      at::zeros({heads, blocks + 1}, flat.options()).scatter_add(1, of_choice, at::ones_like(of_choice));
  VisitedKeys out;
  out.block_q = queries_at_once(flat.size(1) / (blocks + 1), flat.device());
  const at::Tensor room = at::floor_divide(count + (out.block_q - 1), out.block_q) * out.block_q, ends = room.cumsum(1);
  const std::int64_t places = ends.select(1, blocks).max().item<std::int64_t>();
  const at::Tensor shift = (ends - room) - (count.cumsum(1) - count); // from a choice's place in order to its place
  const at::Tensor place = at::arange(flat.size(1), flat.options()) + shift.gather(1, sorted.to(at::kLong));
  out.order =
      at::full({heads, places}, -1, flat.options().dtype(at::kInt)).scatter(1, place, order.to(at::kInt)).unsqueeze(0);
  const at::Tensor begins = at::arange(places / out.block_q, flat.options()) * out.block_q;
  out.first = at::searchsorted(ends, begins.expand({heads, begins.size(0)}).contiguous(), false, true)
                  .clamp_max(blocks)
                  .unsqueeze(0);
  out.last = out.first + 1;
  const at::Tensor begin = at::arange(blocks + 1, flat.options()) * choice.size;
  out.runs = at::stack({begin.clamp_max(keys), (begin + choice.size).clamp_max(keys)}, 1).to(at::kInt);
  out.runs.select(0, blocks).zero_();
  return out;
}

} // namespace

std::optional<BlockOutput> attend_blocks(const Text& text, Range queries, const BlockChoice& choice) {
  const std::int64_t heads = choice.q.size(0), count = choice.q.size(1), each = choice.q.size(2), d = choice.q.size(3);
  SparseAttentionInput input = sparse_input(text, queries);
  input.q = choice.q.reshape({1, heads, count * each, d});
  input.k = choice.k.narrow(1, 0, queries.end).unsqueeze(0);
  input.per_slot = each;
  const auto out = sparse_part(text, input, turned_over(choice, queries.end));
  if (!out) return std::nullopt;
  return BlockOutput{out->z.view({heads, count, each, d}), out->log_sum_exp.view({heads, count, each})};
}

at::Tensor mixed_blocks(const BlockOutput& blocks, const at::Tensor& weights) {
  const at::Tensor shares = weights.softmax(-1).to(blocks.z.scalar_type());
  return at::matmul(shares.unsqueeze(2), blocks.z).squeeze(2);
}

at::Tensor by_ranges(const Text& text, Range queries, std::int64_t choices,
                     const std::function<at::Tensor(Range queries)>& some) {
  const std::int64_t most = std::int64_t{text.q.is_cuda() ? 1024 : 16} << 20;
  const std::int64_t bytes = text.heads() * choices * text.q.size(2) * static_cast<std::int64_t>(text.q.element_size());
  const std::int64_t step = std::max<std::int64_t>(most / bytes, 64);
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = queries.begin; begin < queries.end; begin += step) {
    parts.push_back(some({begin, std::min(begin + step, queries.end)}));
    if (!parts.back().defined()) return {};
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

} // namespace headscope::mechanisms
