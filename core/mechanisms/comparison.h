// SPDX-License-Identifier: GPL-3.0-or-later
// What a plan costs a model on a text: the loss, the distance of its predictions from full attention's, and the time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/engine/engine.h"
#include "core/mechanisms/head_measures.h"

namespace headscope::mechanisms {

// A run of a text up to the unembedding, which is done in pieces so that the logits of a long text are never held.
struct TextRun {
  at::Tensor resid; // before the final norm, [pos, d_model]
  double seconds = 0.0;
};

// Predictions of a text: number i (from 0) is of token i + 1.
struct PredictionMeasures {
  double nll = 0.0; // mean loss of the next token, nats
  double kl = 0.0;  // mean KL(full attention's prediction || this one), nats
};

// Runs the text; null: full attention at its speed. Texts may be longer than the model's context, where its attention
// has positions at all; what full attention then does is part of the comparison.
Result<TextRun> run_text(const Engine& engine, const std::vector<std::int64_t>& tokens,
                         const AttentionBackend* attention, const RunControl& control);

// Compares the predictions of two runs of a text, the first `skip` left out. Returns invalid_argument where none is
// left.
Result<PredictionMeasures> compare_predictions(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                               const TextRun& full, const TextRun& other, std::int64_t skip,
                                               const RunControl& control);

// Returns the logits that follow residuals [row, pos, d_model] before the final norm: [row, pos, d_vocab]. Refuses
// those that are not finite.
Result<at::Tensor> logits_after(const Engine& engine, const at::Tensor& resid, const CancelToken& cancel);

// Returns the mean loss of a run's last `count` predictions, nats: of the tokens from tokens.size() - count on.
Result<double> loss_of_last(const Engine& engine, const std::vector<std::int64_t>& tokens, const TextRun& run,
                            std::int64_t count, const RunControl& control);

// Runs the text once more and measures every head that the plan changes.
Result<HeadMeasures> measure_heads(const Engine& engine, const std::vector<std::int64_t>& tokens,
                                   std::shared_ptr<const AttentionPlan> plan, std::int64_t skip,
                                   const RunControl& control);

} // namespace headscope::mechanisms
