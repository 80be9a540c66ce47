// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/scoring/answer_table.h"
#include "core/scoring/metric_definition.h"

namespace headscope::metrics {
namespace {

at::Tensor values(const MetricInput& input) {
  return divergence(log_probabilities(input.reference), log_probabilities(input.logits));
}

} // namespace

extern const Metric kl_divergence = {
    .info = {.name = "kl_divergence",
             .units = "nat",
             .what = "KL(reference || run); the reference is the unchanged run on the clean prompt",
             .needs_reference = true,
             .has_gradient = true,
             .lower_is_better = true},
    .values = values};

} // namespace headscope::metrics
