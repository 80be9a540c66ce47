// SPDX-License-Identifier: GPL-3.0-or-later
// Greedy and sampled generation with a KV cache.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/engine/engine.h"

namespace headscope {

struct GenerateOptions {
  std::int64_t max_new_tokens = 50;
  double temperature = 0.0; // 0: greedy
  std::int64_t top_k = 0;   // 0: all
  double top_p = 1.0;
  std::uint64_t seed = 0;
  std::vector<std::int64_t> stop_ids; // ends after emitting one of these; the model's EOS is added by default
  bool stop_at_eos = true;
  std::vector<Intervention> interventions; // phase decides where they act; row: must be unset or 0
  const AttentionObserver* observer = nullptr;
  // Prefills all but the last prompt token, so that the first generated token also comes from a decode step.
  bool last_prompt_token_decodes = false;
  // Called after each token, before the next step; returning false stops generation.
  std::function<bool(std::int64_t token)> on_token;
  RunControl control;
};

struct Generation {
  std::vector<std::int64_t> tokens; // without the prompt; includes the stop token if one ended it
};

// Returns mismatch when prompt + new tokens exceed the model's context.
Status check_room(const Engine& engine, const std::vector<std::int64_t>& prompt, std::int64_t new_tokens);

// Errors: invalid_argument for an empty prompt, mismatch when prompt + new tokens exceed the model's context.
Result<Generation> generate(const Engine& engine, const std::vector<std::int64_t>& prompt,
                            const GenerateOptions& options);

} // namespace headscope
