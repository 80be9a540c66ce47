// SPDX-License-Identifier: GPL-3.0-or-later
// What the mechanism of a head says of its choices on the prompt. A job of the engine's thread.
#pragma once

#include <memory>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/mechanisms/explanation.h"

namespace headscope::gui {

struct EngineState;

struct ExplanationRequest {
  std::shared_ptr<const std::vector<std::int64_t>> tokens;
  HeadId head;
  AblationInput ablation;
};

constexpr std::size_t longest_explained = 8192; // tokens

// Under the state's plan; nothing for a head that it leaves alone. unsupported for a longer prompt.
Result<std::vector<mechanisms::Explanation>> explain_head(EngineState& state, const ExplanationRequest& request,
                                                          const RunControl& control);

} // namespace headscope::gui
