// SPDX-License-Identifier: GPL-3.0-or-later
// Predicts the next token after a prompt, clean and ablated. A job of the engine's thread.
#pragma once

#include <string>
#include <vector>

#include "app/gui/engine/ablation_input.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;

struct PredictRequest {
  std::vector<std::int64_t> tokens;
  AblationInput ablation;
  std::string answer, wrong; // each one token of text, or empty: the clean run's two likeliest
  int top = 10;              // tokens to report
  // Whether `clean` is the same ablation under full attention, and not the same plan without ablation.
  bool against_full = false;
};

struct PredictedToken {
  TokenInfo token;
  double clean = 0.0, ablated = 0.0; // probabilities
};

struct Prediction {
  std::vector<PredictedToken> top; // by the larger of both probabilities
  TokenInfo answer, wrong;
  double clean_diff = 0.0, ablated_diff = 0.0; // logit(answer) - logit(wrong)
  double kl = 0.0;                             // KL(clean || ablated) in nats
  bool cached = false;                         // the clean run was there already
  // What the model would write in place of an answer that was typed without a space before it; empty: nothing likelier.
  std::string meant_answer, meant_wrong;
  std::string note; // of an answer that the model would write with a space before it; else empty
};

// Restarts from the prompt's clean run at the first ablated layer, and gives the same numbers as ablate_heads().
// Returns mismatch for an answer that takes several tokens.
Result<Prediction> predict(EngineState& state, const PredictRequest& request, const RunControl& control);

} // namespace headscope::gui
