// SPDX-License-Identifier: GPL-3.0-or-later
// Which metrics there are, and what is to be known of each: one table, from which parsing, help, units and checks come.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/vocabulary/named.h"

namespace headscope {

enum class MetricKind : std::uint8_t { logit_diff, prob_diff, kl_divergence, js_divergence, answer_rank, accuracy };

struct MetricInfo {
  MetricKind kind;
  const char* name;
  const char* units;    // of a value, and of the difference of two
  const char* what;     // for --help and documents
  bool needs_answers;   // a right answer for every prompt
  bool needs_wrong;     // and a wrong one
  bool needs_reference; // the logits of the unchanged run on the clean prompt
  bool has_gradient;
  bool lower_is_better;
};

std::span<const MetricInfo> all_metrics();
const MetricInfo& info(MetricKind metric);

template <> std::span<const Named<MetricKind>> names_of<MetricKind>();

inline const char* to_string(MetricKind metric) { return info(metric).name; }
inline const char* units_of(MetricKind metric) { return info(metric).units; }
inline bool needs_answers(MetricKind metric) { return info(metric).needs_answers; }
inline bool needs_wrong(MetricKind metric) { return info(metric).needs_wrong; }
inline bool needs_reference(MetricKind metric) { return info(metric).needs_reference; }

// invalid_argument, with `otherwise` as advice, for a metric without a gradient.
Status check_has_gradient(MetricKind metric, const std::string& otherwise);

} // namespace headscope
