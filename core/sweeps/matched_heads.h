// SPDX-License-Identifier: GPL-3.0-or-later
// Random heads to compare chosen ones with: as many, in the same layers, and none of the strongest.
#pragma once

#include <cstdint>
#include <vector>

#include "core/sweeps/head_ablation.h"

namespace headscope {

struct MatchedHeads {
  std::vector<HeadId> heads;
  std::int64_t moved = 0; // drawn from the nearest layer that had heads left, because the layer itself had none
};

// `ranking` lists heads, strongest first; none of its first `excluded`, nor of the first `count`, is drawn. Fewer than
// `count` come back only where the model has no more heads.
MatchedHeads matched_random_heads(const std::vector<HeadId>& ranking, std::int64_t count, std::int64_t excluded,
                                  const ModelConfig& config, std::uint64_t seed);

// How many heads are usually excluded: Wu et al. exclude the top 100 of about 1,000; smaller models exclude the top
// tenth, rounded up.
std::int64_t usual_exclusion(const ModelConfig& config);

} // namespace headscope
