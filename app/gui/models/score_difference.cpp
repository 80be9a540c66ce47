// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/score_difference.h"

#include <limits>

#include "core/scoring/value_comparison.h"

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
  out.difference.command.clear();
  out.difference.diverging = true;
  const ValueComparison compared = compare_values(a.values, b.values);
  out.difference.values = compared.difference;
  out.compared = static_cast<int>(compared.compared);
  out.correlation = compared.rank_correlation;
  return out;
}

} // namespace headscope::gui
