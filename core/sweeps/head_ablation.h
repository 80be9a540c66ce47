// SPDX-License-Identifier: GPL-3.0-or-later
// Ablation sweep: how much a metric changes when one attention head is ablated, for every head and prompt.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/prompts/prompt.h"
#include "core/scoring/metric.h"
#include "core/vocabulary/ablation.h"
#include "core/vocabulary/head_id.h"

namespace headscope {

struct HeadAblationOptions {
  std::vector<HeadId> heads; // empty: all
  AblationMethod method = AblationMethod::zero;
  MetricKind metric = MetricKind::logit_diff;
  // `decode` ablates only while the last prompt token is processed, as a decode step after a prefill of the others;
  // `prefill` only while the others are.
  Phase phase = Phase::both;
  // The prompts that mean and resample take z from; empty: the prompts being ablated.
  std::vector<std::vector<std::int64_t>> reference;
  bool mean_by_position = false;   // one mean a position (over prompts), instead of one over positions and prompts
  std::uint64_t seed = 0;          // for choosing the other prompt
  std::int64_t tokens_per_run = 0; // 0: what suits the device
};

struct HeadAblationResult {
  std::int64_t n_prompts = 0, n_layers = 0, n_heads = 0;
  std::vector<double> clean;        // metric without ablation [prompt]
  std::vector<double> effects;      // metric with ablation - clean [prompt, layer, head_index]; NaN: not measured
  std::vector<std::int64_t> donors; // resample: index of the reference prompt used [prompt]; else empty
  // resample: share of the phase's positions of each prompt that its donor is long enough for [prompt]; else empty.
  std::vector<double> replaced;
  bool complete = false; // false when cancelled; what was measured until then is kept

  std::size_t index(std::int64_t prompt, std::int64_t layer, std::int64_t head) const {
    return static_cast<std::size_t>((prompt * n_layers + layer) * n_heads + head);
  }
  double effect(std::int64_t prompt, std::int64_t layer, std::int64_t head) const {
    return effects[index(prompt, layer, head)];
  }
  // The mean over the prompts that were measured [layer, head_index]; NaN where none was.
  std::vector<double> mean_effects() const;
};

// A warning about the reference: donors that are too short, or means over a single prompt; otherwise empty.
std::string reference_note(const HeadAblationOptions& options, const std::vector<AblationPrompt>& prompts,
                           const HeadAblationResult& result);

// Reports that some heads of a layer have been measured: the effects of these prompts at this layer are final; those
// that are still NaN may come in later parts.
struct HeadAblationPart {
  std::vector<std::int64_t> prompts;
  int layer = 0;
  const HeadAblationResult* result = nullptr;
};
// An error ends the sweep and is returned from it.
using HeadAblationCallback = std::function<Status(const HeadAblationPart&)>;

// Restarts the forward pass at each layer, with heads and prompts side by side as rows of one batch that variants of
// the
// next layers join as long as there is room. Returns invalid_argument for bad options, mismatch for a reference that
// does not fit the prompts.
Result<HeadAblationResult> ablate_heads(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                        const HeadAblationOptions& options, const RunControl& control = {},
                                        const HeadAblationCallback& callback = {});

} // namespace headscope
