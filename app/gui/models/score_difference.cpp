// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/score_difference.h"

#include <cmath>
#include <limits>

#include "core/scoring/rank_correlation.h"

namespace headscope::gui {

ScoreDifference compare_scores(const HeadScores& a, const HeadScores& b) {
  ScoreDifference out;
  out.correlation = std::numeric_limits<double>::quiet_NaN();
  if (a.n_layers != b.n_layers || a.n_heads != b.n_heads) return out;
  out.difference = a;
  out.difference.id = "difference/" + a.id;
  out.difference.title = a.title + ": A − B";
  out.difference.description = a.description;
  out.difference.threshold.reset();
  out.difference.diverging = true;
  std::vector<double> x, y;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    out.difference.values[i] = a.values[i] - b.values[i];
    if (std::isnan(out.difference.values[i])) continue;
    x.push_back(static_cast<double>(a.values[i]));
    y.push_back(static_cast<double>(b.values[i]));
  }
  out.compared = static_cast<int>(x.size());
  if (!x.empty()) out.correlation = rank_correlation(x, y);
  return out;
}

} // namespace headscope::gui
