// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/engine/engine.h"

namespace headscope {

TokenBatch TokenBatch::single(const std::vector<std::int64_t>& ids) {
  TokenBatch batch;
  batch.tokens = at::tensor(ids, at::kLong).unsqueeze(0);
  return batch;
}

TokenBatch TokenBatch::pad(const std::vector<std::vector<std::int64_t>>& rows, Side side, std::int64_t pad_id) {
  std::size_t longest = 0;
  for (const auto& row : rows)
    longest = std::max(longest, row.size());
  const auto width = static_cast<std::int64_t>(longest);
  TokenBatch batch;
  batch.tokens = at::full({static_cast<std::int64_t>(rows.size()), width}, pad_id, at::kLong);
  auto& padding = side == Side::left ? batch.left_pad : batch.right_pad;
  bool any = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto count = static_cast<std::int64_t>(rows[i].size());
    padding.push_back(width - count);
    any = any || width != count;
    if (count == 0) continue;
    at::Tensor row = batch.tokens.select(0, static_cast<std::int64_t>(i));
    row.narrow(0, side == Side::left ? width - count : 0, count).copy_(at::tensor(rows[i], at::kLong));
  }
  if (!any) padding.clear();
  return batch;
}

} // namespace headscope
