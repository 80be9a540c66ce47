// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/matched_heads.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/base/random.h"

namespace headscope {

MatchedHeads matched_random_heads(const std::vector<HeadId>& ranking, std::int64_t count, std::int64_t excluded,
                                  const ModelConfig& config, std::uint64_t seed) {
  const auto first = [&](std::int64_t n) {
    return ranking.begin() + static_cast<std::ptrdiff_t>(std::min<std::int64_t>(n, std::ssize(ranking)));
  };
  const std::set<HeadId> kept_out(ranking.begin(), first(std::max(count, excluded)));
  Random random(seed);
  std::vector<std::vector<HeadId>> free(static_cast<std::size_t>(config.n_layers)); // in random order
  for (int layer = 0; layer < static_cast<int>(config.n_layers); ++layer) {
    std::vector<HeadId>& heads = free[static_cast<std::size_t>(layer)];
    for (std::int64_t head = 0; head < config.n_heads; ++head)
      if (kept_out.count({layer, head}) == 0) heads.push_back({layer, head});
    random.shuffle(heads);
  }
  MatchedHeads out;
  const auto take = [&](std::size_t layer) {
    out.heads.push_back(free[layer].back());
    free[layer].pop_back();
  };
  std::vector<int> short_of;
  for (auto head = ranking.begin(); head != first(count); ++head) {
    const auto layer = static_cast<std::size_t>(head->layer);
    if (free[layer].empty())
      short_of.push_back(head->layer);
    else
      take(layer);
  }
  for (const int layer : short_of) {
    int nearest = -1;
    for (int other = 0; other < static_cast<int>(config.n_layers); ++other)
      if (!free[static_cast<std::size_t>(other)].empty() &&
          (nearest < 0 || std::abs(other - layer) < std::abs(nearest - layer)))
        nearest = other;
    if (nearest < 0) break;
    take(static_cast<std::size_t>(nearest));
    ++out.moved;
  }
  std::sort(out.heads.begin(), out.heads.end());
  return out;
}

std::int64_t usual_exclusion(const ModelConfig& config) {
  return std::min<std::int64_t>(100, (config.n_layers * config.n_heads + 9) / 10);
}

} // namespace headscope
