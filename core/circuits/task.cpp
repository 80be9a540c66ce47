// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/task.h"

#include <array>

#include "core/sweeps/patch_plan.h"

namespace headscope {
Status check_task(const Engine& engine, const CircuitTask& task) {
  if (task.pairs.empty()) return make_error(ErrorCode::invalid_argument, "there are none", {}, "pairs");
  if (task.tokens_per_run < 0)
    return make_error(ErrorCode::invalid_argument, "must not be negative", {}, "tokens_per_run");
  TokenRows clean, corrupt;
  std::vector<Answers> answers;
  for (const PatchPair& pair : task.pairs) {
    clean.push_back(pair.clean);
    corrupt.push_back(pair.corrupt);
    answers.push_back(pair.answers);
  }
  HS_TRY(check_rows(clean, engine, "clean prompt"));
  if (task.ablation == EdgeAblation::patch) {
    HS_TRY(check_rows(corrupt, engine, "corrupt prompt"));
    HS_TRY(check_equal_lengths(task.pairs, engine.model().tokenizer.get()));
  }
  HS_TRY(check_rows(task.reference, engine, "reference prompt"));
  return check_answers(task.metric, answers, engine.config().n_logits());
}

std::vector<double> importance_of(const std::vector<double>& scores, MetricKind metric) {
  std::vector<double> out = scores;
  if (!info(metric).lower_is_better)
    for (double& score : out)
      score = -score;
  return out;
}

} // namespace headscope
