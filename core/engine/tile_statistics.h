// SPDX-License-Identifier: GPL-3.0-or-later
// Attention statistics from tiles of the pattern, in torch: for patterns changed by interventions, and where there is
// no kernel.
#pragma once

#include "core/engine/attention.h"
#include "core/engine/attention_statistics.h"

namespace headscope {

class TileStatistics {
public:
  TileStatistics(const AttentionInput& input, const AttentionStatisticsRequest& request);

  // Tiles come in the order of their queries and cover all of them once.
  void add(const PatternTile& tile);
  // Returns all statistics except sink_mass.
  AttentionStatistics finish();

private:
  void add_map(const at::Tensor& pattern, std::int64_t first);

  const AttentionStatisticsRequest& request_;
  AttentionMask mask_;
  std::int64_t queries_, keys_;
  AttentionStatistics sums_;                                           // key_sum, stripe and the map so far
  std::vector<at::Tensor> entropy_, span_mass_, top_key_, top_weight_; // a tile each, along their query axis
};

} // namespace headscope
