// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/kv_cache.h"

#include <ATen/ATen.h>

namespace headscope {

KvCache KvCache::select_rows(const std::vector<std::int64_t>& rows) const {
  KvCache out;
  out.length_ = length_;
  out.attention_ = attention_;
  const at::Tensor index = at::tensor(rows, at::kLong);
  const auto selected = [&](const at::Tensor& x) { return x.defined() ? x.index_select(0, index.to(x.device())) : x; };
  for (const Layer& layer : layers_)
    out.layers_.push_back({selected(layer.k), selected(layer.v), selected(layer.q), selected(layer.unrotated_q),
                           selected(layer.unrotated_k)});
  return out;
}

} // namespace headscope
