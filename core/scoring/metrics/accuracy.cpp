// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/scoring/answer_table.h"
#include "core/scoring/metric_definition.h"

namespace headscope::metrics {
namespace {

at::Tensor values(const MetricInput& input) {
  const AnswerTable table = answer_table(input.answers, AnswerWeight::sum, input.logits.device());
  return (rank_of_best_answer(input.logits, table) == 0).to(at::kDouble);
}

} // namespace

extern const Metric accuracy = {
    .info = {.name = "accuracy",
             .units = "1",
             .what = "1 when the token with the largest logit is one of the answers, else 0",
             .needs_answers = true},
    .values = values};

} // namespace headscope::metrics
