// SPDX-License-Identifier: GPL-3.0-or-later
// Measures the effect of one edge of the computational graph on a pair of prompts. A job of the engine's thread.
#pragma once

#include <optional>

#include "app/gui/engine/patch_job.h"

namespace headscope::gui {

// An edge by core's kinds and numbers; -1 where there is none.
struct EdgeRef {
  std::string sender = "input"; // input, head, mlp
  int sender_layer = -1, sender_head = -1;
  std::string receiver = "logits"; // q, k, v (head: the K/V head at k and v), mlp, logits
  int receiver_layer = -1, receiver_head = -1;
};

struct EdgeEffect {
  double clean = 0.0;  // logit difference of the clean run
  double effect = 0.0; // what it changes by when this edge alone carries what it does on the corrupt prompt
};

// The names by which core's graph and the command line find its nodes. `shares_kv`: heads share their keys and values.
std::string sender_name(const EdgeRef& edge);
std::string receiver_name(const EdgeRef& edge, bool shares_kv);

// Returns not_found when the model has no such edge.
Result<EdgeEffect> edge_effect(const EngineState& state, const PatchPairInfo& pair, const EdgeRef& edge,
                               const RunControl& control);

} // namespace headscope::gui
