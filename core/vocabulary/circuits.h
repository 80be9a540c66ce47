// SPDX-License-Identifier: GPL-3.0-or-later
// How edges are scored, what a patched edge carries, and how a circuit is chosen.
#pragma once

#include <cstdint>

#include "core/vocabulary/named.h"

namespace headscope {

enum class ScoreMethod : std::uint8_t {
  exact,              // each edge is patched: one forward pass an edge
  eap,                // (replacement - clean output) . gradient at the receiver's input on the clean run (2310.10348)
  eap_ig_inputs,      // mean of the gradients at `steps` inputs from the corrupt one (included) to the clean one
  eap_ig_activations, // mean of the gradients while the outputs of one layer's heads, one MLP or the input are between
  clean_corrupted,    // mean of the gradients on the clean and the corrupt run
};
template <> std::span<const Named<ScoreMethod>> names_of<ScoreMethod>();
inline const char* to_string(ScoreMethod method) { return name_of(method); }

// What a sender outside the circuit is replaced with.
enum class EdgeAblation : std::uint8_t {
  patch,            // what it writes on the corrupt prompt (counterfactual)
  zero,             // nothing
  mean,             // its mean over the reference prompts and their positions
  mean_by_position, // its mean over the reference prompts at each position
};
template <> std::span<const Named<EdgeAblation>> names_of<EdgeAblation>();
inline const char* to_string(EdgeAblation ablation) { return name_of(ablation); }

enum class BuildRule : std::uint8_t {
  top_n,     // the N most important edges
  greedy,    // from the logits up: always the most important edge into what is reached already
  threshold, // every edge at least this important
};
template <> std::span<const Named<BuildRule>> names_of<BuildRule>();
inline const char* to_string(BuildRule rule) { return name_of(rule); }

} // namespace headscope
