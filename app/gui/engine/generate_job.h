// SPDX-License-Identifier: GPL-3.0-or-later
// Generates text after a prompt, with or without ablated heads. A job of the engine's thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;

struct GenerateRequest {
  std::vector<std::int64_t> tokens; // the prompt
  AblationInput ablation;           // no heads: the model as it is
  std::int64_t new_tokens = 40;     // at most; fewer where the context ends
  double temperature = 0.0;         // 0: greedy
  std::uint64_t seed = 0;
};

struct Continuation {
  std::vector<TokenInfo> tokens;
  std::string text;
  bool complete = false; // false: still coming, or cancelled
};

// `step` is called about fifteen times a second with the text so far. A cancelled generation is a result.
Result<Continuation> generate_text(EngineState& state, const GenerateRequest& request, const RunControl& control,
                                   const std::function<void(Continuation)>& step);

} // namespace headscope::gui
