// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/metric.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "core/engine/device.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// So many rows are held in double precision at once, since a whole vocabulary of each is.
constexpr std::int64_t slice_rows = 32;

// A difference of logits reads the answers' entries alone.
std::int64_t rows_at_once(MetricKind metric, std::int64_t rows) {
  return metric == MetricKind::logit_diff ? std::max<std::int64_t>(rows, 1) : slice_rows;
}

// The tokens of each row, padded to one width.
struct AnswerTable {
  at::Tensor ids;    // [row, entry]; 0 in padding
  at::Tensor weight; // [row, entry] double: of an answer 1 or 1/n, of a wrong one -1 or -1/n, 0 in padding
};

enum class Weight : std::uint8_t { mean, sum };

AnswerTable make_table(std::span<const Answers> answers, Weight kind, const at::Device& device) {
  std::size_t width = 1;
  for (const Answers& row : answers)
    width = std::max(width, row.answer.size() + row.wrong.size());
  const auto rows = static_cast<std::int64_t>(answers.size()), columns = static_cast<std::int64_t>(width);
  const at::Tensor ids = at::zeros({rows, columns}, at::kLong), weights = at::zeros({rows, columns}, at::kDouble);
  auto id = ids.accessor<std::int64_t, 2>();
  auto weight = weights.accessor<double, 2>();
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int64_t column = 0;
    const auto put = [&](const std::vector<std::int64_t>& tokens, double sign) {
      for (const std::int64_t token : tokens) {
        id[r][column] = token;
        weight[r][column++] = kind == Weight::mean ? sign / static_cast<double>(tokens.size()) : sign;
      }
    };
    put(answers[static_cast<std::size_t>(r)].answer, 1.0);
    put(answers[static_cast<std::size_t>(r)].wrong, -1.0);
  }
  return {queued_copy(ids, device), queued_copy(weights, device)};
}

at::Tensor log_probabilities(const at::Tensor& logits) { return at::log_softmax(logits, -1, at::kDouble); }

// KL(p || q) of log-probabilities [row, token].
at::Tensor divergence(const at::Tensor& log_p, const at::Tensor& log_q) {
  return (log_p.exp() * (log_p - log_q)).sum(-1);
}

at::Tensor jensen_shannon(const at::Tensor& log_p, const at::Tensor& log_q) {
  const at::Tensor middle = at::logaddexp(log_p, log_q) - std::log(2.0);
  return (divergence(log_p, middle) + divergence(log_q, middle)) * 0.5;
}

at::Tensor rank_of_best(const at::Tensor& logits, const AnswerTable& table) {
  const at::Tensor of_answers =
      logits.gather(1, table.ids).masked_fill(table.weight <= 0, -std::numeric_limits<double>::infinity());
  return (logits > of_answers.amax(1, true)).sum(-1).to(at::kDouble);
}

at::Tensor slice_values(MetricKind metric, const at::Tensor& logits, std::span<const Answers> answers,
                        const at::Tensor& reference) {
  switch (metric) {
  case MetricKind::kl_divergence: return divergence(log_probabilities(reference), log_probabilities(logits));
  case MetricKind::js_divergence: return jensen_shannon(log_probabilities(reference), log_probabilities(logits));
  default: break;
  }
  const Weight kind = metric == MetricKind::logit_diff ? Weight::mean : Weight::sum;
  const AnswerTable table = make_table(answers, kind, logits.device());
  switch (metric) {
  case MetricKind::logit_diff: return (logits.gather(1, table.ids).to(at::kDouble) * table.weight).sum(-1);
  case MetricKind::prob_diff: return (log_probabilities(logits).gather(1, table.ids).exp() * table.weight).sum(-1);
  case MetricKind::accuracy: return (rank_of_best(logits, table) == 0).to(at::kDouble);
  default: return rank_of_best(logits, table);
  }
}

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
    const std::int64_t step = rows_at_once(metric, logits.size(0));
    for (std::int64_t begin = 0; begin < logits.size(0); begin += step) {
      const std::int64_t count = std::min(step, logits.size(0) - begin);
      const auto some = needs_answers(metric)
                            ? answers.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count))
                            : std::span<const Answers>{};
      parts.push_back(slice_values(metric, logits.narrow(0, begin, count), some,
                                   needs_reference(metric) ? reference.narrow(0, begin, count) : at::Tensor{}));
    }
    if (parts.empty()) return at::zeros({0}, at::kDouble);
    return at::cat(parts);
  });
}

} // namespace headscope
