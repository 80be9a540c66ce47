// SPDX-License-Identifier: GPL-3.0-or-later
// Logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens"): what the model would predict if the residual
// stream after each layer went straight through the final norm and the unembedding.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/engine/engine.h"

namespace headscope {

struct LogitLensOptions {
  std::vector<std::int64_t> positions; // negative counts from the end; empty: all
  std::vector<std::int64_t> tokens;    // whose logit, probability and rank are wanted at every row and position
  std::int64_t top = 1;                // how many of the likeliest tokens are kept
  bool mid = false;                    // also between attention and MLP, where the model has such a place
};

// Rows are points of the residual stream in the order of the forward pass: resid_pre of every layer (with `mid` also
// its resid_mid), and finally resid_post of the last layer, whose logits are the model's own.
struct LogitLens {
  std::vector<HookSite> sites;         // [row]
  std::vector<std::int64_t> positions; // from 0
  std::vector<std::int64_t> tokens;
  std::int64_t top = 0;                              // at most the vocabulary
  std::vector<std::int64_t> top_ids;                 // [row, position, top], likeliest first
  std::vector<double> top_logits, top_probabilities; // [row, position, top]
  std::vector<double> token_logits;                  // [row, position, token]
  std::vector<double> token_probabilities;           // [row, position, token]
  std::vector<std::int64_t> token_ranks;             // [row, position, token]; 0: the likeliest
  std::vector<double> kl_divergence;                 // KL(model || row) in nats [row, position]
  std::vector<double> entropy;                       // of the row's prediction, in nats [row, position]

  std::size_t index(std::size_t row, std::size_t position) const { return row * positions.size() + position; }
};

// Runs the prompt once. Returns invalid_argument for a position or token that is not there.
Result<LogitLens> logit_lens(const Engine& engine, const std::vector<std::int64_t>& prompt,
                             const LogitLensOptions& options, const RunControl& control = {});

} // namespace headscope
