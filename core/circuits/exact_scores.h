// SPDX-License-Identifier: GPL-3.0-or-later
// Edge and node scores by patching; see edge_scores.h. The clean layers below a patch are run once; from there edges
// and pairs are run side by side as rows of one batch.
#pragma once

#include "core/circuits/edge_scores.h"

namespace headscope {

Status score_exactly(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                     const RunControl& context, GraphScores& out);

} // namespace headscope
