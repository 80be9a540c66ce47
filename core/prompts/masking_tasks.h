// SPDX-License-Identifier: GPL-3.0-or-later
// Tasks for the masking experiment, one set for each thing that heads are claimed to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/prompts/haystack.h"
#include "core/prompts/mask_prompt.h"
#include "core/text/tokenizer.h"

namespace headscope {

struct NeedleTaskOptions {
  std::int64_t length_min = 300, length_max = 500, lengths = 2; // tokens
  std::int64_t depths = 3;
  std::int64_t reserve = 200;
  std::int64_t needles = 3;
  bool chat = false;
};

// Needle questions as the retrieval detector asks them; `haystack` is text. Judged by recall.
Result<std::vector<MaskPrompt>> needle_tasks(const Tokenizer& tokenizer, const std::string& haystack,
                                             const NeedleTaskOptions& options);

// Random tokens written twice: the log-probability of the second writing.
Result<std::vector<MaskPrompt>> repeated_token_tasks(const Tokenizer& tokenizer, std::int64_t d_vocab,
                                                     std::int64_t count, std::int64_t n, std::uint64_t seed);

// Three words of an ordinal list, whose fourth is to come: every such place of every list that is single tokens.
// Returns unsupported where there is none.
Result<std::vector<MaskPrompt>> ordinal_tasks(const Tokenizer& tokenizer);

// Indirect-object prompts: the log-probability of the name over that of the other.
Result<std::vector<MaskPrompt>> ioi_tasks(const Tokenizer& tokenizer, std::int64_t count, std::uint64_t seed);

// Plain text in pieces of `length` tokens: the log-probability of each token but the first.
Result<std::vector<MaskPrompt>> text_tasks(const Tokenizer& tokenizer, const std::string& text, std::int64_t count,
                                           std::int64_t length);

struct ReasoningTasks {
  std::vector<MaskPrompt> direct, chain; // the same questions; judged by the final answer
};
Result<ReasoningTasks> reasoning_tasks(const Tokenizer& tokenizer, std::int64_t count, std::int64_t shots,
                                       std::uint64_t seed);

} // namespace headscope
