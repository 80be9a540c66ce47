// SPDX-License-Identifier: GPL-3.0-or-later
// Direct logit attribution (Elhage et al. 2021; TransformerLens's logit attribution): what each part of the model
// writes to the residual stream at the last token, in the direction that raises the answers' logits over the wrong
// ones', with the final norm's scale held at its value in the run.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/scoring/metric.h"

namespace headscope {

struct AttributionPrompt {
  std::vector<std::int64_t> tokens;
  Answers answers; // without wrong answers, the mean logit of the answers is attributed
};

// Everything is in logits; the parts of a prompt add up to its `total`.
struct DirectLogitAttribution {
  std::int64_t n_prompts = 0, n_layers = 0, n_heads = 0;
  std::vector<double> input;     // token and position embedding [prompt]
  std::vector<double> heads;     // [prompt, layer, head_index]; after the post-norm where there is one
  std::vector<double> attn_bias; // b_O [prompt, layer]; 0 where there is none
  std::vector<double> mlps;      // [prompt, layer]; 0 in attention-only models
  std::vector<double> constant;  // bias of the final norm and of the unembedding [prompt]
  std::vector<double> total;     // mean logit of the answers - of the wrong ones [prompt]; before a soft cap on logits

  std::size_t index(std::int64_t prompt, std::int64_t layer, std::int64_t head) const {
    return static_cast<std::size_t>((prompt * n_layers + layer) * n_heads + head);
  }
  // Means over the prompts, for comparing heads.
  std::vector<double> mean_heads() const; // [layer, head_index]
  std::vector<double> mean_mlps() const;  // [layer]
};

// Returns invalid_argument for a prompt without an answer.
Result<DirectLogitAttribution> attribute_logits(const Engine& engine, const std::vector<AttributionPrompt>& prompts,
                                                const RunControl& control = {}, std::int64_t tokens_per_run = 0);

} // namespace headscope
