// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics on the logits of a prompt's last token, one number a prompt.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/result.h"
#include "core/text/tokenizer.h"

namespace headscope {

enum class MetricKind : std::uint8_t {
  logit_diff,    // mean logit of the answers - mean logit of the wrong answers
  prob_diff,     // summed probability of the answers - that of the wrong answers
  kl_divergence, // KL(reference || run) in nats; the reference is the unchanged run on the clean prompt
  js_divergence, // Jensen-Shannon divergence of reference and run, in nats, at most ln 2
  answer_rank,   // how many tokens have a larger logit than the best answer; 0: the answer is on top
  accuracy,      // 1 when the token with the largest logit is one of the answers, else 0
};

// "logit_diff" ...; invalid_argument, with the list of names, for any other.
Result<MetricKind> parse_metric(std::string_view name);
const char* to_string(MetricKind metric);

bool needs_answers(MetricKind metric);   // all but the divergences
bool needs_wrong(MetricKind metric);     // logit_diff
bool needs_reference(MetricKind metric); // the divergences

// Token ids that a prompt should and should not be continued with.
struct Answers {
  std::vector<std::int64_t> answer;
  std::vector<std::int64_t> wrong;
};

// invalid_argument, naming the prompt's index, when the metric lacks what it needs or an id is outside d_vocab.
Status check_answers(MetricKind metric, std::span<const Answers> answers, std::int64_t d_vocab);

// `logits`, and `reference` where the metric needs one: [row, d_vocab]; one entry of `answers` a row.
// Returns [row] in double precision. All but answer_rank and accuracy can be differentiated.
Result<at::Tensor> metric_values(MetricKind metric, const at::Tensor& logits, std::span<const Answers> answers,
                                 const at::Tensor& reference = {});

// The one token that continues a text with `text`, e.g. " Mary"; mismatch, naming the tokens, when it takes several.
Result<std::int64_t> answer_token(const Tokenizer& tokenizer, std::string_view text);

} // namespace headscope
