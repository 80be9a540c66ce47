// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics on the logits of a prompt's last token, one number a prompt.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/prompts/answers.h"
#include "core/vocabulary/metric.h"

namespace headscope {

// Returns invalid_argument, naming the prompt's index, when the metric lacks what it needs or an id is outside d_vocab.
Status check_answers(MetricKind metric, std::span<const Answers> answers, std::int64_t d_vocab);

// `logits`, and `reference` where the metric needs one, are [row, d_vocab]; `answers` has one entry per row. Returns
// [row] in double precision; differentiable where the metric has a gradient.
Result<at::Tensor> metric_values(MetricKind metric, const at::Tensor& logits, std::span<const Answers> answers,
                                 const at::Tensor& reference = {});

} // namespace headscope
