// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/block_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/attention_rows.h"

namespace headscope::kernels {

void choose_blocks(const BlockScores& scores, std::int64_t* out, std::int64_t begin, std::int64_t end) {
  std::vector<float> row(static_cast<std::size_t>(scores.blocks));
  std::vector<std::int64_t> chosen;
  for (std::int64_t at = begin; at < end; ++at) {
    const std::int64_t last = scores.end(at % scores.queries);
    chosen.clear();
    for (std::int64_t block = scores.first; block < last; ++block) {
      const float score = element_at(scores.scores, scores.element, at * scores.blocks + block);
      row[static_cast<std::size_t>(block)] = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
      chosen.push_back(block);
    }
    const auto larger = [&](std::int64_t a, std::int64_t b) {
      const float x = row[static_cast<std::size_t>(a)], y = row[static_cast<std::size_t>(b)];
      return x > y || (x == y && a < b);
    };
    if (std::ssize(chosen) > scores.choices) {
      std::nth_element(chosen.begin(), chosen.begin() + scores.choices, chosen.end(), larger);
      chosen.resize(static_cast<std::size_t>(scores.choices));
      std::sort(chosen.begin(), chosen.end());
    }
    std::int64_t* const to = out + at * scores.choices;
    std::fill(std::copy(chosen.begin(), chosen.end(), to), to + scores.choices, -1);
  }
}

} // namespace headscope::kernels
