// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by the detectors of name movers and S-inhibition heads: the prompts, and what each head does on them (Wang et
// al. 2211.00593).
#pragma once

#include <string>
#include <vector>

#include "core/circuits/last_token_paths.h"
#include "core/prompts/tasks/ioi.h"
#include "plugins/sdk/detector.h"

namespace headscope {

// The options that all of them have: count, seed, through_mlps, min_attention and top.
std::vector<OptionSpec> ioi_options();

// Returns unsupported for a model without a tokenizer, or one that splits too many names.
Status check_ioi(const Engine& engine, const std::string& id);

struct IoiSet {
  IoiTask task;
  std::vector<PatchPair> pairs; // the corrupt prompts are those with three other names
  std::vector<std::vector<std::int64_t>> prompts() const;
  std::vector<std::vector<std::int64_t>> name_positions() const; // the indirect object, both subjects
  std::vector<std::int64_t> positions(std::int64_t IoiCase::*name) const;
};
Result<IoiSet> ioi_set(const DetectorRun& run);

// [layer, head]
struct NameMoving {
  LastTokenEffects direct;  // of path patching to the logits
  std::vector<double> lost; // % of the logit difference that is lost with the head's direct path: -100 (LD' - LD) / LD
  std::vector<double> attention; // from the last token to the indirect object
  std::vector<double> copy, negative;
  double logit_difference = 0.0; // mean
  double accuracy = 0.0;         // share of prompts with a positive logit difference
};
Result<NameMoving> name_moving(const DetectorRun& run, const IoiSet& set);

// Computes -100 (LD' - LD) / LD from means over the prompts; NaN stays NaN.
std::vector<double> percent_lost(const LastTokenEffects& effects, double logit_difference);

// The heads that a name-mover detector names with its default thresholds, strongest first.
struct NameMoverCriteria {
  double direct = 5.0; // % of the logit difference
  double attention = 0.1;
  double copy = 0.5;
};
std::vector<HeadId> name_movers(const NameMoving& found, const NameMoverCriteria& criteria);

// Says, instead of scores, that the model does not do the task; empty when it does.
std::string no_task(const NameMoving& found, std::int64_t prompts);

// Adds the prompts, and a table with one line per prompt: its positions, its answers and the model's output.
void add_ioi_evidence(const IoiSet& set, const LastTokenEffects& direct, const Engine& engine, const std::string& id,
                      DetectorResult& result);
// Adds a table with one line for each named head and prompt: how much of the logit difference is lost with its path.
void add_head_evidence(const LastTokenEffects& effects, DetectorResult& result);

} // namespace headscope
