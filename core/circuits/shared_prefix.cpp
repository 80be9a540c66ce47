// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/shared_prefix.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/engine/attention_needs.h"

namespace headscope {
namespace {

std::int64_t shared_length(const PairChunk& chunk) {
  const at::Tensor &clean = chunk.clean.tokens, &corrupt = chunk.corrupt.tokens;
  if (!corrupt.defined() || !clean.sizes().equals(corrupt.sizes())) return 0;
  const std::int64_t width = clean.size(1);
  std::int64_t longest_pad = 0;
  for (const std::int64_t pad : chunk.clean.right_pad)
    longest_pad = std::max(longest_pad, pad);
  const at::Tensor differs = clean.ne(corrupt).any(0);
  const std::int64_t first = differs.any().item<bool>() ? differs.to(at::kByte).argmax().item<std::int64_t>() : width;
  return std::min(first, width - longest_pad - 1);
}

TokenBatch without_first(const TokenBatch& batch, std::int64_t count) {
  TokenBatch rest = batch;
  if (rest.tokens.defined()) rest.tokens = rest.tokens.narrow(1, count, rest.tokens.size(1) - count).contiguous();
  return rest;
}

} // namespace

KvCache SharedPrefix::repeated(std::int64_t copies) const {
  std::vector<std::int64_t> rows;
  for (std::int64_t copy = 0; copy < copies; ++copy)
    for (std::int64_t row = 0; row < keys.rows(); ++row)
      rows.push_back(row);
  return keys.select_rows(rows);
}

Result<SharedPrefix> share_prefix(const Engine& engine, const PairChunk& chunk, const CancelToken& cancel) {
  SharedPrefix out;
  out.rest = chunk;
  const std::int64_t length = may_share_prefix(engine.attention(), engine.config()) ? shared_length(chunk) : 0;
  if (length == 0) return out;
  RunRequest request;
  request.batch.tokens = chunk.clean.tokens.narrow(1, 0, length).contiguous();
  request.past = KvPast::append_to(out.keys);
  request.until = LogitRows::none;
  request.cancel = cancel;
  HS_TRY(engine.run(request));
  out.rest.clean = without_first(chunk.clean, length);
  out.rest.corrupt = without_first(chunk.corrupt, length);
  return out;
}

TokenBatch repeated(const TokenBatch& batch, std::int64_t copies) {
  TokenBatch out;
  out.tokens = batch.tokens.repeat({copies, 1});
  for (std::int64_t copy = 0; copy < copies; ++copy)
    out.right_pad.insert(out.right_pad.end(), batch.right_pad.begin(), batch.right_pad.end());
  return out;
}

} // namespace headscope
