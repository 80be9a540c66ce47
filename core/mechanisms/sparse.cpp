// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/sparse.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace headscope::mechanisms {

SparseAttentionInput sparse_input(const Text& text, Range queries) {
  SparseAttentionInput input;
  input.q = take_queries(text, text.q, queries).unsqueeze(0);
  input.k = text.k.narrow(1, 0, queries.end).unsqueeze(0);
  input.v = text.v.narrow(1, 0, queries.end).unsqueeze(0);
  input.scale = text.scale;
  input.softcap = text.softcap;
  input.window = text.window;
  input.query_offset = queries.begin;
  return input;
}

std::optional<SparseAttentionOutput> sparse_part(const Text& text, const SparseAttentionInput& input,
                                                 const VisitedKeys& keys) {
  std::optional<SparseAttentionOutput> out = sparse_attention(input, keys);
  if (!out || !text.cost) return out;
  const AttentionCost cost = cost_of(input, keys);
  text.cost->scored += cost.scored, text.cost->attended += cost.attended, text.cost->bytes += cost.bytes;
  return out;
}

at::Tensor sparse_output(const Text& text, const SparseAttentionInput& input, const VisitedKeys& keys) {
  return joined_output({sparse_part(text, input, keys)});
}

at::Tensor joined_output(const std::vector<std::optional<SparseAttentionOutput>>& parts) {
  std::vector<SparseAttentionOutput> found;
  for (const auto& part : parts) {
    if (!part) return {};
    found.push_back(*part);
  }
  return joined(found).z.squeeze(0);
}

namespace {

// Blocks that groups mostly fill: padding costs time on a GPU, and many small blocks read keys again and again.
std::int64_t block_for(const std::vector<std::vector<QueryGroup>>& by_head, at::Device device) {
  if (device.is_cpu()) return 64; // of which unused places cost nothing
  std::int64_t queries = 0, groups = 0;
  for (const auto& of_head : by_head)
    for (const QueryGroup& group : of_head)
      queries += std::ssize(group.queries), ++groups;
  const std::int64_t mean = queries / std::max<std::int64_t>(groups, 1);
  return mean >= 128 ? 128 : mean > 32 ? 64 : 32;
}

// What the kernels read of one head.
struct GroupLists {
  std::vector<std::int32_t> order;
  std::vector<std::int64_t> first, last;

  void add(const QueryGroup& group, std::int64_t first_run, std::int64_t block_q) {
    order.insert(order.end(), group.queries.begin(), group.queries.end());
    const auto blocks = (std::ssize(group.queries) + block_q - 1) / block_q;
    first.insert(first.end(), static_cast<std::size_t>(blocks), first_run);
    last.insert(last.end(), static_cast<std::size_t>(blocks), first_run + std::ssize(group.runs));
    order.resize(first.size() * static_cast<std::size_t>(block_q), -1);
  }
  void fill_up(std::size_t blocks, std::int64_t block_q) {
    first.resize(blocks, 0), last.resize(blocks, 0);
    order.resize(blocks * static_cast<std::size_t>(block_q), -1);
  }
};

} // namespace

VisitedKeys visited_by_groups(const std::vector<std::vector<QueryGroup>>& by_head, at::Device device) {
  VisitedKeys keys;
  keys.block_q = block_for(by_head, device);
  std::vector<std::int32_t> runs;
  std::vector<GroupLists> lists(by_head.size());
  std::size_t most = 1;
  for (std::size_t head = 0; head < by_head.size(); ++head) {
    for (const QueryGroup& group : by_head[head]) {
      lists[head].add(group, std::ssize(runs) / 2, keys.block_q);
      for (const kernels::KeyRun& run : group.runs)
        runs.insert(runs.end(), {run.begin, run.end});
    }
    most = std::max(most, lists[head].first.size());
  }
  GroupLists all;
  for (GroupLists& list : lists) {
    list.fill_up(most, keys.block_q);
    all.order.insert(all.order.end(), list.order.begin(), list.order.end());
    all.first.insert(all.first.end(), list.first.begin(), list.first.end());
    all.last.insert(all.last.end(), list.last.begin(), list.last.end());
  }
  const auto heads = std::ssize(by_head);
  keys.runs = at::tensor(runs, at::kInt).view({-1, 2}).to(device);
  keys.first = at::tensor(all.first, at::kLong).view({1, heads, -1}).to(device);
  keys.last = at::tensor(all.last, at::kLong).view({1, heads, -1}).to(device);
  keys.order = at::tensor(all.order, at::kInt).view({1, heads, -1}).to(device);
  return keys;
}

VisitedKeys band_keys(const SparseAttentionInput& input, std::int64_t window, std::int64_t least) {
  constexpr std::int64_t block = 128;
  const std::int64_t queries = input.q.size(2);
  std::vector<std::vector<kernels::KeyRun>> runs;
  for (std::int64_t begin = 0; begin < queries; begin += block) {
    const std::int64_t from = std::max(least, input.query_offset + begin - window + 1);
    const std::int64_t end = std::max(from, input.query_offset + std::min(begin + block, queries));
    runs.push_back({{static_cast<std::int32_t>(from), static_cast<std::int32_t>(end)}});
  }
  VisitedKeys keys = visited_keys(runs, block, input.q.device());
  keys.window = window;
  return keys;
}

} // namespace headscope::mechanisms
