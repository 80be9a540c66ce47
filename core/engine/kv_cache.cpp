// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/kv_cache.h"

#include <ATen/ATen.h>

namespace headscope {

KvCache KvCache::select_rows(const std::vector<std::int64_t>& rows) const {
  KvCache out;
  out.length_ = length_;
  const at::Tensor index = at::tensor(rows, at::kLong);
  for (const Layer& layer : layers_)
    out.layers_.push_back(
        {layer.k.index_select(0, index.to(layer.k.device())), layer.v.index_select(0, index.to(layer.v.device()))});
  return out;
}

} // namespace headscope
