// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics on the logits of a prompt's last token, one number a prompt.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/text/tokenizer.h"
#include "core/vocabulary/metric.h"

namespace headscope {

// Token ids that a prompt should and should not be continued with.
struct Answers {
  std::vector<std::int64_t> answer;
  std::vector<std::int64_t> wrong;
};

// invalid_argument, naming the prompt's index, when the metric lacks what it needs or an id is outside d_vocab.
Status check_answers(MetricKind metric, std::span<const Answers> answers, std::int64_t d_vocab);

// `logits`, and `reference` where the metric needs one: [row, d_vocab]; one entry of `answers` a row.
// Returns [row] in double precision; differentiable where the metric has a gradient.
Result<at::Tensor> metric_values(MetricKind metric, const at::Tensor& logits, std::span<const Answers> answers,
                                 const at::Tensor& reference = {});

// The one token that continues a text with `text`, e.g. " Mary"; mismatch, naming the tokens, when it takes several.
Result<std::int64_t> answer_token(const Tokenizer& tokenizer, std::string_view text);

} // namespace headscope
