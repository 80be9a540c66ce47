// SPDX-License-Identifier: GPL-3.0-or-later
// The masking experiment (Wu et al. 2404.15574): measures a task with more and more of the strongest heads ablated,
// against as many random heads of the same layers. It shows whether heads cause what a detector says they do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/prompts/mask_prompt.h"
#include "core/sweeps/head_ablation.h"
#include "core/sweeps/matched_heads.h"
#include "core/sweeps/variant_answers.h"

namespace headscope {

struct MaskingOptions {
  MaskMethod method = MaskMethod::uniform;
  Phase phase = Phase::decode;      // decode: from the last prompt token on
  std::vector<std::int64_t> counts; // how many of the strongest heads; increasing
  std::int64_t seeds = 5;           // random controls a count
  std::int64_t excluded = -1;       // so many of the strongest are never drawn; -1: usual_exclusion()
  std::uint64_t seed = 0;           // of the controls: seed, seed + 1, ...
  std::int64_t new_tokens = 50;     // longest answer; a newline ends it
  std::int64_t tokens_per_run = 0;  // 0: what suits the device
};

struct MaskingResult {
  std::vector<std::int64_t> counts;
  std::int64_t seeds = 0, excluded = 0, n_tasks = 0;
  // Variant 0 masks nothing; then for each count the strongest heads and one control a seed.
  std::vector<std::vector<HeadId>> heads; // [variant]
  std::vector<std::int64_t> moved;        // [variant]; see MatchedHeads
  std::vector<double> scores;             // [variant, task]; NaN: not measured
  std::vector<std::string> answers;       // [variant, task]; what was generated
  bool complete = false;                  // false when cancelled

  std::size_t strongest(std::size_t count) const { return 1 + count * static_cast<std::size_t>(seeds + 1); }
  std::size_t control(std::size_t count, std::size_t seed) const { return strongest(count) + 1 + seed; }
  double mean(std::size_t variant) const;                           // over the tasks that were measured
  double control_mean(std::size_t count) const;                     // over the seeds
  std::pair<double, double> control_range(std::size_t count) const; // smallest and largest of the seeds
};

// `ranking` lists heads, strongest first, at least as many as the largest count. Returns invalid_argument for bad
// options.
Result<MaskingResult> run_masking(const Engine& engine, const std::vector<MaskPrompt>& tasks,
                                  const std::vector<HeadId>& ranking, const MaskingOptions& options,
                                  const RunControl& task = {});

// The score of a task judged by log_prob under each set of interventions. `phase` decode acts from the last prompt
// token on, prefill before it.
Result<std::vector<double>> log_prob_variants(const Engine& engine, const MaskPrompt& task,
                                              const std::vector<Interventions>& variants, Phase phase,
                                              std::int64_t tokens_per_run, const CancelToken& cancel);

// All heads in order of their scores [layer, head], NaN left out.
std::vector<HeadId> ranked_heads(const std::vector<float>& scores, std::int64_t n_heads);

} // namespace headscope
