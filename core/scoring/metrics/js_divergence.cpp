// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include <ATen/ATen.h>

#include "core/scoring/answer_table.h"
#include "core/scoring/metric_definition.h"

namespace headscope::metrics {
namespace {

at::Tensor values(const MetricInput& input) {
  const at::Tensor log_p = log_probabilities(input.reference), log_q = log_probabilities(input.logits);
  const at::Tensor middle = at::logaddexp(log_p, log_q) - std::log(2.0);
  return (divergence(log_p, middle) + divergence(log_q, middle)) * 0.5;
}

} // namespace

extern const Metric js_divergence = {.info = {.name = "js_divergence",
                                              .units = "nat",
                                              .what = "Jensen-Shannon divergence of reference and run, at most ln 2",
                                              .needs_reference = true,
                                              .has_gradient = true,
                                              .lower_is_better = true},
                                     .values = values};

} // namespace headscope::metrics
