// SPDX-License-Identifier: GPL-3.0-or-later
// Pairs of a clean and a corrupt prompt: one from the command line, a file of them, or a task.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/inputs/task_options.h"
#include "core/analysis/leading_space.h"
#include "core/store/result_file.h"
#include "core/sweeps/patching.h"

namespace headscope::methods {

struct PairSetOptions {
  std::string clean, corrupt, answer, wrong;
  std::string file; // see prompt_file.h
  TaskOptions task;
  PromptOptions prompt; // chat and no_bos only
};

struct PairSet {
  std::vector<PatchPair> pairs;
  std::string task;                 // what they are, for the result file
  std::vector<std::string> dropped; // pairs of the task that do not align, by reason
  std::vector<UnspacedAnswer> unspaced = {};

  TokenRows clean_rows() const;
};

// What each pair must have.
struct PairNeeds {
  bool corrupt = true, answer = true, wrong = true;
};

void list_pair_set_options(OptionList& list, PairSetOptions& options);
// Checks, before the model is loaded, that there is exactly one source of pairs.
Status check_pair_set(const PairSetOptions& options, bool need_corrupt);
Result<PairSet> make_pair_set(const Engine& engine, const PairSetOptions& options, const PairNeeds& needs);

store::Attributes option_attributes(const PairSetOptions& options);
// Stores /prompts/pair-0-clean, pair-0-corrupt, ...
Status store_pairs(store::ResultWriter& writer, const Model& model, const PairSet& set);

} // namespace headscope::methods
