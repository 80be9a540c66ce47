// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/vocabulary/metric.h"

#include <array>

namespace headscope {
namespace {

// In the order of MetricKind.
constexpr std::array<MetricInfo, 6> metrics = {{
    {.kind = MetricKind::logit_diff,
     .name = "logit_diff",
     .units = "logit",
     .what = "mean logit of the answers minus mean logit of the wrong answers",
     .needs_answers = true,
     .needs_wrong = true,
     .needs_reference = false,
     .has_gradient = true,
     .lower_is_better = false},
    {.kind = MetricKind::prob_diff,
     .name = "prob_diff",
     .units = "1",
     .what = "summed probability of the answers minus that of the wrong answers",
     .needs_answers = true,
     .needs_wrong = false,
     .needs_reference = false,
     .has_gradient = true,
     .lower_is_better = false},
    {.kind = MetricKind::kl_divergence,
     .name = "kl_divergence",
     .units = "nat",
     .what = "KL(reference || run); the reference is the unchanged run on the clean prompt",
     .needs_answers = false,
     .needs_wrong = false,
     .needs_reference = true,
     .has_gradient = true,
     .lower_is_better = true},
    {.kind = MetricKind::js_divergence,
     .name = "js_divergence",
     .units = "nat",
     .what = "Jensen-Shannon divergence of reference and run, at most ln 2",
     .needs_answers = false,
     .needs_wrong = false,
     .needs_reference = true,
     .has_gradient = true,
     .lower_is_better = true},
    {.kind = MetricKind::answer_rank,
     .name = "answer_rank",
     .units = "rank",
     .what = "how many tokens have a larger logit than the best answer; 0: the answer is on top",
     .needs_answers = true,
     .needs_wrong = false,
     .needs_reference = false,
     .has_gradient = false,
     .lower_is_better = true},
    {.kind = MetricKind::accuracy,
     .name = "accuracy",
     .units = "1",
     .what = "1 when the token with the largest logit is one of the answers, else 0",
     .needs_answers = true,
     .needs_wrong = false,
     .needs_reference = false,
     .has_gradient = false,
     .lower_is_better = false},
}};

} // namespace

std::span<const MetricInfo> all_metrics() { return metrics; }

const MetricInfo& info(MetricKind metric) { return metrics[static_cast<std::size_t>(metric)]; }

template <> std::span<const Named<MetricKind>> names_of<MetricKind>() {
  static const auto names = [] {
    std::array<Named<MetricKind>, metrics.size()> out{};
    for (std::size_t i = 0; i < metrics.size(); ++i)
      out[i] = {metrics[i].kind, metrics[i].name, metrics[i].what};
    return out;
  }();
  return names;
}

Status check_has_gradient(MetricKind metric, const std::string& otherwise) {
  if (info(metric).has_gradient) return {};
  return make_error(ErrorCode::invalid_argument, std::string(to_string(metric)) + " has no gradient; " + otherwise, {},
                    "metric");
}

} // namespace headscope
