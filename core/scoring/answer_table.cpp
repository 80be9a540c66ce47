// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/scoring/answer_table.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "core/engine/device.h"

namespace headscope {

AnswerTable answer_table(std::span<const Answers> answers, AnswerWeight kind, const at::Device& device) {
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
        weight[r][column++] = kind == AnswerWeight::mean ? sign / static_cast<double>(tokens.size()) : sign;
      }
    };
    put(answers[static_cast<std::size_t>(r)].answer, 1.0);
    put(answers[static_cast<std::size_t>(r)].wrong, -1.0);
  }
  return {queued_copy(ids, device), queued_copy(weights, device)};
}

at::Tensor rank_of_best_answer(const at::Tensor& logits, const AnswerTable& table) {
  const at::Tensor of_answers =
      logits.gather(1, table.ids).masked_fill(table.weight <= 0, -std::numeric_limits<double>::infinity());
  return (logits > of_answers.amax(1, true)).sum(-1).to(at::kDouble);
}

at::Tensor log_probabilities(const at::Tensor& logits) { return at::log_softmax(logits, -1, at::kDouble); }

at::Tensor divergence(const at::Tensor& log_p, const at::Tensor& log_q) {
  return (log_p.exp() * (log_p - log_q)).sum(-1);
}

} // namespace headscope
