// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/scoring/answer_table.h"
#include "core/scoring/metric_definition.h"

namespace headscope::metrics {
namespace {

at::Tensor values(const MetricInput& input) {
  const AnswerTable table = answer_table(input.answers, AnswerWeight::mean, input.logits.device());
  return (input.logits.gather(1, table.ids).to(at::kDouble) * table.weight).sum(-1);
}

} // namespace

extern const Metric logit_diff = {.info = {.name = "logit_diff",
                                           .units = "logit",
                                           .what = "mean logit of the answers minus mean logit of the wrong answers",
                                           .needs_answers = true,
                                           .needs_wrong = true,
                                           .has_gradient = true,
                                           .rounding = 1e-5},
                                  .values = values,
                                  .reads_answers_alone = true};

} // namespace headscope::metrics
