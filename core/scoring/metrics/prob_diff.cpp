// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/scoring/answer_table.h"
#include "core/scoring/metric_definition.h"

namespace headscope::metrics {
namespace {

at::Tensor values(const MetricInput& input) {
  const AnswerTable table = answer_table(input.answers, AnswerWeight::sum, input.logits.device());
  return (log_probabilities(input.logits).gather(1, table.ids).exp() * table.weight).sum(-1);
}

} // namespace

extern const Metric prob_diff = {.info = {.name = "prob_diff",
                                          .units = "1",
                                          .what = "summed probability of the answers minus that of the wrong answers",
                                          .needs_answers = true,
                                          .has_gradient = true},
                                 .values = values};

} // namespace headscope::metrics
