// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/workspace/score_board.h"
#include "core/store/result_types.h"

namespace headscope::gui {

// Makes a graph of a score of every head: each measured head has an edge to the logits, with the head's score, and one
// from the input. It shows which heads matter, but not through which other heads.
store::Graph ablation_graph(const HeadScores& scores);

} // namespace headscope::gui
