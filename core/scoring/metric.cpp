// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/metric.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/scoring/metric_definition.h"

namespace headscope {
namespace {

// How many rows are held in double precision at once: each takes a whole vocabulary of doubles.
constexpr std::int64_t slice_rows = 32;

Status check_shapes(MetricKind metric, const at::Tensor& logits, std::size_t rows, const at::Tensor& reference) {
  if (!logits.defined() || logits.dim() != 2)
    return make_error(ErrorCode::invalid_argument, "must be [row, d_vocab]", {}, "logits");
  if (needs_answers(metric) && static_cast<std::int64_t>(rows) != logits.size(0))
    return make_error(ErrorCode::mismatch,
                      "there are answers for " + std::to_string(rows) + " rows and logits for " +
                          std::to_string(logits.size(0)),
                      {}, "answers");
  if (needs_reference(metric) && (!reference.defined() || reference.sizes() != logits.sizes()))
    return make_error(ErrorCode::mismatch, std::string(to_string(metric)) + " needs reference logits of the same shape",
                      {}, "reference");
  return {};
}

} // namespace

Status check_answers(MetricKind metric, std::span<const Answers> answers, std::int64_t d_vocab) {
  if (!needs_answers(metric)) return {};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string prompt = "prompt " + std::to_string(i);
    const auto fail = [&](const std::string& what, const char* field) {
      return make_error(ErrorCode::invalid_argument, prompt + what, {}, field);
    };
    if (answers[i].answer.empty())
      return fail(std::string(" has no answer, which ") + to_string(metric) + " needs", "answer");
    if (needs_wrong(metric) && answers[i].wrong.empty())
      return fail(std::string(" has no wrong answer, which ") + to_string(metric) + " needs", "wrong");
    for (const auto* ids : {&answers[i].answer, &answers[i].wrong})
      for (const std::int64_t id : *ids)
        if (id < 0 || id >= d_vocab)
          return fail(": token id " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(d_vocab),
                      ids == &answers[i].answer ? "answer" : "wrong");
  }
  return {};
}

Result<at::Tensor> metric_values(MetricKind metric, const at::Tensor& logits, std::span<const Answers> answers,
                                 const at::Tensor& reference) {
  return guarded("computing the metric", [&]() -> Result<at::Tensor> {
    HS_TRY(check_shapes(metric, logits, answers.size(), reference));
    if (needs_answers(metric)) HS_TRY(check_answers(metric, answers, logits.size(1)));
    std::vector<at::Tensor> parts;
    const std::int64_t step = (*metric).reads_answers_alone ? std::max<std::int64_t>(logits.size(0), 1) : slice_rows;
    for (std::int64_t begin = 0; begin < logits.size(0); begin += step) {
      const std::int64_t count = std::min(step, logits.size(0) - begin);
      const auto some = needs_answers(metric)
                            ? answers.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count))
                            : std::span<const Answers>{};
      const at::Tensor of_run = logits.narrow(0, begin, count),
                       of_reference = needs_reference(metric) ? reference.narrow(0, begin, count) : at::Tensor{};
      parts.push_back((*metric).values({of_run, some, of_reference}));
    }
    if (parts.empty()) return at::zeros({0}, at::kDouble);
    return at::cat(parts);
  });
}

} // namespace headscope
