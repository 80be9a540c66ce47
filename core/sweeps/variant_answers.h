// SPDX-License-Identifier: GPL-3.0-or-later
// Generates greedy answers to one prompt under many sets of interventions, as rows of one batch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/engine/engine.h"

namespace headscope {

using Interventions = std::vector<Intervention>; // their `row` is filled in

struct AnswerOptions {
  std::int64_t max_new_tokens = 50;
  std::function<bool(std::int64_t token)> ends; // the token ends an answer, and belongs to it
  std::int64_t tokens_per_run = 0;              // through the model at once; 0: what suits the device
  CancelToken cancel;
};

// The generated tokens of each variant. All but the last prompt token are prefilled, once for all variants that change
// only decode steps; the last one is the first decode step. Returns mismatch when prompt and answer exceed the context.
Result<std::vector<std::vector<std::int64_t>>> answer_variants(const Engine& engine,
                                                               const std::vector<std::int64_t>& prompt,
                                                               const std::vector<Interventions>& variants,
                                                               const AnswerOptions& options);

} // namespace headscope
