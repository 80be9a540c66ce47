// SPDX-License-Identifier: GPL-3.0-or-later
// The answers of several rows as tensors, and arithmetic that metrics share.
#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "core/prompts/answers.h"

namespace headscope {

// The tokens of each row, padded to one width.
struct AnswerTable {
  at::Tensor ids;    // [row, entry]; 0 in padding
  at::Tensor weight; // [row, entry] double: of an answer 1 or 1/n, of a wrong one -1 or -1/n, 0 in padding
};

enum class AnswerWeight : std::uint8_t { mean, sum };

AnswerTable answer_table(std::span<const Answers> answers, AnswerWeight weight, const at::Device& device);

// How many tokens have a larger logit than the best answer [row].
at::Tensor rank_of_best_answer(const at::Tensor& logits, const AnswerTable& table);

at::Tensor log_probabilities(const at::Tensor& logits); // in double precision

// Computes KL(p || q) from log-probabilities [row, token].
at::Tensor divergence(const at::Tensor& log_p, const at::Tensor& log_q);

} // namespace headscope
