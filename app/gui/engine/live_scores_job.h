// SPDX-License-Identifier: GPL-3.0-or-later
// Describes the attention of every head on the prompt in three numbers. A job of the engine's thread.
#pragma once

#include <vector>

#include "app/gui/engine/values.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;

struct LiveScores {
  int n_layers = 0, n_heads = 0;
  // [layer, head]; means over the queries of the prompt
  std::vector<float> sink_mass;  // attention to the first key, alpha_0 of Gu et al.
  std::vector<float> entropy;    // of the attention over keys, in nats
  std::vector<float> max_weight; // the largest weight of each query
};

Result<LiveScores> live_scores(EngineState& state, const std::vector<std::int64_t>& tokens, const RunControl& control);

} // namespace headscope::gui
