// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics by name, with their descriptions. Every metric is a file in core/scoring/metrics, from which the list is
// made; core/scoring defines what is declared here, so callers link that.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/vocabulary/named.h"

namespace headscope {

struct MetricInfo {
  const char* name;
  const char* units;            // of a value, and of the difference of two
  const char* what;             // for --help and documents
  bool needs_answers = false;   // a right answer for every prompt
  bool needs_wrong = false;     // and a wrong one
  bool needs_reference = false; // the logits of the unchanged run on the clean prompt
  bool has_gradient = false;
  bool lower_is_better = false;
  double rounding = 1e-8; // what rounding may leave of a difference, relative to the values
};

// A metric with its arithmetic: core/scoring/metric_definition.h.
struct Metric;

// The metrics that code asks for by name; every other one is found in the list by what the user wrote.
namespace metrics {
extern const Metric logit_diff, prob_diff, kl_divergence, js_divergence, answer_rank, accuracy;
}

// A metric, chosen by name.
class MetricKind {
public:
  constexpr MetricKind() : metric_(&metrics::logit_diff) {}
  constexpr explicit MetricKind(const Metric* metric) : metric_(metric) {}
  constexpr const Metric& operator*() const { return *metric_; }
  friend constexpr bool operator==(MetricKind, MetricKind) = default;

  static const MetricKind logit_diff, prob_diff, kl_divergence, js_divergence, answer_rank, accuracy;

private:
  const Metric* metric_;
};
inline constexpr MetricKind MetricKind::logit_diff{&metrics::logit_diff};
inline constexpr MetricKind MetricKind::prob_diff{&metrics::prob_diff};
inline constexpr MetricKind MetricKind::kl_divergence{&metrics::kl_divergence};
inline constexpr MetricKind MetricKind::js_divergence{&metrics::js_divergence};
inline constexpr MetricKind MetricKind::answer_rank{&metrics::answer_rank};
inline constexpr MetricKind MetricKind::accuracy{&metrics::accuracy};

const MetricInfo& info(MetricKind metric);

template <> std::span<const Named<MetricKind>> names_of<MetricKind>();

inline const char* to_string(MetricKind metric) { return info(metric).name; }
inline const char* units_of(MetricKind metric) { return info(metric).units; }
inline bool needs_answers(MetricKind metric) { return info(metric).needs_answers; }
inline bool needs_wrong(MetricKind metric) { return info(metric).needs_wrong; }
inline bool needs_reference(MetricKind metric) { return info(metric).needs_reference; }

// Returns invalid_argument, with `otherwise` as advice, for a metric without a gradient.
Status check_has_gradient(MetricKind metric, const std::string& otherwise);

} // namespace headscope
