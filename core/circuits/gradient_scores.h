// SPDX-License-Identifier: GPL-3.0-or-later
// Edge scores from gradients; see edge_scores.h.
#pragma once

#include "core/circuits/edge_scores.h"

namespace headscope {

Status score_by_gradients(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                          const ScoreOptions& options, const RunControl& context, GraphScores& out);

} // namespace headscope
