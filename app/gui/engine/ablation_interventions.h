// SPDX-License-Identifier: GPL-3.0-or-later
// Turns ablated heads into the engine's interventions, through the source that the command line's sweeps use. Only the
// .cpp files of this folder include it, since it uses Torch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "app/gui/engine/engine_state.h"
#include "core/sweeps/ablation_source.h"

namespace headscope::gui {

// The mean activations of a set of reference texts in all layers; they are the same for every prompt and head.
struct ReferenceActivations {
  std::vector<std::string> texts;
  TokenRows rows;
  HeadAblationOptions options; // `means` refers to it
  std::optional<AblationSource> means;
};

// Makes interventions for one run over the whole prompt, without a KV cache. Returns mismatch when mean or resample
// lack reference texts.
Result<std::vector<Intervention>> prompt_interventions(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                       const AblationInput& input, const RunControl& control);

// Makes interventions for generate() with last_prompt_token_decodes; the phase decides where they act. With resample,
// new tokens take the other text's activation at its last position.
Result<std::vector<Intervention>> generation_interventions(EngineState& state, const std::vector<std::int64_t>& tokens,
                                                           const AblationInput& input, const RunControl& control);

} // namespace headscope::gui
