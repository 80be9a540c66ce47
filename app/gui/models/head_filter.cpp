// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/head_filter.h"

#include <algorithm>
#include <cmath>

namespace headscope::gui {
namespace {

double strength(const HeadScores& scores, double value) { return scores.diverging ? std::abs(value) : value; }

bool matches(const HeadScores& scores, const HeadFilter& filter, HeadId head) {
  if (head_name(head).rfind(filter.text, 0) != 0) return false;
  if (!filter.minimum && !filter.above_threshold) return true;
  const double value = scores.at(head);
  if (std::isnan(value)) return false;
  if (filter.minimum && strength(scores, value) < *filter.minimum) return false;
  return !filter.above_threshold || !scores.threshold || value >= *scores.threshold;
}

} // namespace

std::vector<HeadId> ranked_heads(const HeadScores& scores) {
  std::vector<HeadId> heads;
  for (int layer = 0; layer < scores.n_layers; ++layer)
    for (int head = 0; head < scores.n_heads; ++head)
      if (!std::isnan(scores.at({layer, head}))) heads.push_back({layer, head});
  std::stable_sort(heads.begin(), heads.end(),
                   [&](HeadId a, HeadId b) { return strength(scores, scores.at(a)) > strength(scores, scores.at(b)); });
  return heads;
}

std::vector<bool> matching_heads(const HeadScores& scores, const HeadFilter& filter) {
  std::vector<bool> wanted(scores.values.size(), false);
  const auto index = [&](HeadId head) { return static_cast<std::size_t>(head.layer * scores.n_heads + head.head); };
  if (filter.top > 0) {
    int found = 0;
    for (const HeadId head : ranked_heads(scores)) {
      if (found == filter.top) break;
      if (!matches(scores, filter, head)) continue;
      wanted[index(head)] = true;
      ++found;
    }
    return wanted;
  }
  for (int layer = 0; layer < scores.n_layers; ++layer)
    for (int head = 0; head < scores.n_heads; ++head)
      wanted[index({layer, head})] = matches(scores, filter, {layer, head});
  return wanted;
}

} // namespace headscope::gui
