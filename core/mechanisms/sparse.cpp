// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/sparse.h"

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

at::Tensor sparse_output(const SparseAttentionInput& input, const VisitedKeys& keys) {
  const auto out = sparse_attention(input, keys);
  return out ? out->z.squeeze(0) : at::Tensor{};
}

} // namespace headscope::mechanisms
