// SPDX-License-Identifier: GPL-3.0-or-later
// Compares the same score in two runs.
#pragma once

#include "app/gui/workspace/score_board.h"

namespace headscope::gui {

struct ScoreDifference {
  HeadScores difference;    // a minus b, of heads that both measured
  double correlation = 0.0; // of ranks; NaN: not defined
  int compared = 0;         // heads
};

// Returns a comparison of 0 heads when the shapes differ.
ScoreDifference compare_scores(const HeadScores& a, const HeadScores& b);

} // namespace headscope::gui
