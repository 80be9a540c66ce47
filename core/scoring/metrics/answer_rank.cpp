// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/scoring/answer_table.h"
#include "core/scoring/metric_definition.h"

namespace headscope::metrics {
namespace {

at::Tensor values(const MetricInput& input) {
  return rank_of_best_answer(input.logits, answer_table(input.answers, AnswerWeight::sum, input.logits.device()));
}

} // namespace

extern const Metric answer_rank = {
    .info = {.name = "answer_rank",
             .units = "rank",
             .what = "how many tokens have a larger logit than the best answer; 0: the answer is on top",
             .needs_answers = true,
             .lower_is_better = true,
             .rounding = 1e-5},
    .values = values};

} // namespace headscope::metrics
