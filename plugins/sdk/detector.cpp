// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/sdk/detector.h"

#include <algorithm>
#include <limits>

namespace headscope {

DetectorResult empty_result(const Engine& engine) {
  DetectorResult result;
  result.n_layers = engine.config().n_layers;
  result.n_heads = engine.config().n_heads;
  result.scores.assign(static_cast<std::size_t>(result.n_layers * result.n_heads),
                       std::numeric_limits<float>::quiet_NaN());
  return result;
}

void name_heads(DetectorResult& result) {
  result.heads.clear();
  for (int layer = 0; layer < result.n_layers; ++layer)
    for (int head = 0; head < result.n_heads; ++head)
      if (static_cast<double>(result.scores[result.index(layer, head)]) >= result.threshold)
        result.heads.push_back({layer, head});
  std::stable_sort(result.heads.begin(), result.heads.end(), [&](const HeadId& a, const HeadId& b) {
    return result.scores[result.index(a.layer, a.head)] > result.scores[result.index(b.layer, b.head)];
  });
}

} // namespace headscope
