// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/workspace/score_board.h"
#include "core/store/result_types.h"

namespace headscope::gui {

// What a score of every head says of a circuit: each measured head with an edge to the logits, whose score is the
// head's, and one from the input. Of a head that mattered this says that it did, not through which other heads.
store::Graph ablation_graph(const HeadScores& scores);

} // namespace headscope::gui
