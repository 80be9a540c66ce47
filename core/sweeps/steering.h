// SPDX-License-Identifier: GPL-3.0-or-later
// Steering: adds a vector to the activations of chosen layers and positions, sets them to it, projects it out of them
// or scales them, and measures a metric at every strength. Vectors are given, or are differences of the means of two
// sets of texts: Turner et al. 2308.10248, Rimsky et al. 2312.06681; projected out: Arditi et al. 2406.11717.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/sweeps/head_ablation.h"
#include "core/sweeps/sweep.h"
#include "core/vocabulary/named.h"

namespace headscope {

enum class SteeringOperation : std::uint8_t {
  add,         // x + coefficient * vector
  set,         // coefficient * vector
  scale,       // coefficient * x; needs no vector
  project_out, // x - coefficient * (its part along the vector)
};
template <> std::span<const Named<SteeringOperation>> names_of<SteeringOperation>();
inline const char* to_string(SteeringOperation operation) { return name_of(operation); }

// The tokens of a text at which its activation is read.
enum class ReadPosition : std::uint8_t { last, mean };
template <> std::span<const Named<ReadPosition>> names_of<ReadPosition>();

// Which tokens are steered.
struct SteeredPositions {
  enum class Kind : std::uint8_t { all, last, prompt, generated, listed };
  Kind kind = Kind::all;
  std::vector<std::int64_t> listed; // negative ones count from the end of the prompt

  // Reads "all", "last", "prompt", "generated" or numbers separated by commas; otherwise invalid_argument.
  static Result<SteeredPositions> parse(const std::string& text);
};

struct SteeringTarget {
  HookSite site;
  std::optional<std::int64_t> head; // at sites with heads
  at::Tensor vector;                // [d] in float32 on the CPU; undefined where only scaled
};
std::string target_name(const SteeringTarget& target); // "12", or "12.3" of a head

struct Steering {
  SteeringOperation operation = SteeringOperation::add;
  std::vector<SteeringTarget> targets;
  SteeredPositions positions;
  Phase phase = Phase::both;
};

// Returns not_found for a site that the model lacks; invalid_argument for a head at a site without heads, or no target.
Status check_targets(const std::vector<SteeringTarget>& targets, const ModelConfig& config);

// The steered slots of a prompt with what is generated after it, `total` slots in all. Returns mismatch for a listed
// position outside the prompt.
Result<std::vector<std::int64_t>> steered_slots(const Steering& steering, std::int64_t prompt, std::int64_t total);
// Makes the interventions at those slots of `row`, or of the only row. Empty where nothing is steered.
Result<std::vector<Intervention>> steering_interventions(const Steering& steering, double coefficient,
                                                         std::int64_t prompt, std::int64_t total,
                                                         std::optional<std::int64_t> row = {});

// The mean activation of texts at each target [target][d], in double: each text is read at its last token or averaged
// over its tokens, then all texts are averaged with equal weight.
Result<std::vector<at::Tensor>> mean_activations(const Engine& engine, const TokenRows& texts,
                                                 const std::vector<SteeringTarget>& targets, ReadPosition position,
                                                 std::int64_t asked_tokens, const RunControl& control = {});

// Gives every target its vector: the mean of the positive texts less that of the negative ones. Returns mismatch where
// the two are equal.
Status set_difference_of_means(const Engine& engine, const TokenRows& positive, const TokenRows& negative,
                               ReadPosition position, std::int64_t asked_tokens, std::vector<SteeringTarget>& targets,
                               const RunControl& control = {});

struct SteeringOptions {
  std::vector<double> coefficients = {1.0};
  MetricKind metric = MetricKind::logit_diff;
  std::int64_t tokens_per_run = 0; // 0: what suits the device
};

struct SteeringResult {
  std::int64_t n_prompts = 0;
  std::vector<double> clean;   // metric without steering [prompt]; NaN: not measured
  std::vector<double> steered; // [coefficient, prompt]
  bool complete = false;       // false when cancelled; what was measured until then is kept

  std::size_t index(std::size_t coefficient, std::size_t prompt) const {
    return coefficient * static_cast<std::size_t>(n_prompts) + prompt;
  }
  double mean(std::size_t coefficient) const; // over the prompts that were measured; NaN where none was
};

// Measures the metric after each prompt at every strength.
Result<SteeringResult> steer_prompts(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                     const Steering& steering, const SteeringOptions& options,
                                     const RunControl& control = {});

} // namespace headscope
