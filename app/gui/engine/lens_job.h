// SPDX-License-Identifier: GPL-3.0-or-later
// Logit lens and direct logit attribution of one prompt. Jobs of the engine's thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/gui/engine/values.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::gui {

struct EngineState;

struct LensRequest {
  std::vector<std::int64_t> tokens; // of the prompt
  std::string follow;               // a token, e.g. " Mary", whose numbers are wanted everywhere; empty: none
};

struct LensMap {
  int n_rows = 0, n_positions = 0, first_position = 0; // a long prompt is analysed from first_position on
  std::vector<std::string> rows;                       // "resid_pre 3"
  static constexpr int top = 5;
  std::vector<std::int64_t> top_ids; // [row, position, top], likeliest first
  std::vector<double> top_probabilities, top_logits;
  std::map<std::int64_t, TokenInfo> tokens; // of these ids
  std::vector<double> kl_divergence;        // of the row from the model's own prediction, nats [row, position]
  std::vector<double> entropy;              // of the row's prediction, nats [row, position]
  std::optional<TokenInfo> followed;
  std::vector<double> logits, probabilities; // of the followed token [row, position]
  std::vector<std::int64_t> ranks;           // 0: the likeliest [row, position]

  std::size_t at(int row, int position) const { return static_cast<std::size_t>(row * n_positions + position); }
};

// Returns mismatch (field "token") when `follow` is not one token.
Result<LensMap> run_lens(const EngineState& state, const LensRequest& request, const RunControl& control);

struct AttributionRequest {
  std::vector<std::int64_t> tokens;
  std::string answer, wrong; // empty: the likeliest next token and the one after it
};

// What each part adds to logit(answer) - logit(wrong) at the last token, in logits.
struct AttributionMap {
  TokenInfo answer, wrong;
  int n_layers = 0, n_heads = 0;
  std::vector<double> heads;           // [layer, head]
  std::vector<double> attention, mlps; // [layer]; attention: all heads with b_O
  double input = 0.0, constant = 0.0, total = 0.0;
};

Result<AttributionMap> run_attribution(const EngineState& state, const AttributionRequest& request,
                                       const RunControl& control);

} // namespace headscope::gui
