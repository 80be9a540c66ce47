// SPDX-License-Identifier: GPL-3.0-or-later
// Tasks for the masking experiment, one set for each function that heads are claimed to have.
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

// Random tokens written twice, judged by the log-probability of the second copy.
Result<std::vector<MaskPrompt>> repeated_token_tasks(const Tokenizer& tokenizer, std::int64_t d_vocab,
                                                     std::int64_t count, std::int64_t n, std::uint64_t seed);

// Three words of an ordinal list, to be continued by the fourth: every such place in every list of single tokens.
// Returns unsupported where there is none.
Result<std::vector<MaskPrompt>> ordinal_tasks(const Tokenizer& tokenizer);

// Indirect-object prompts, judged by the log-probability of the right name minus that of the other.
Result<std::vector<MaskPrompt>> ioi_tasks(const Tokenizer& tokenizer, std::int64_t count, std::uint64_t seed);

// Plain text in pieces of `length` tokens, judged by the log-probability of each token but the first.
Result<std::vector<MaskPrompt>> text_tasks(const Tokenizer& tokenizer, const std::string& text, std::int64_t count,
                                           std::int64_t length);

struct ReasoningTasks {
  std::vector<MaskPrompt> direct, chain; // the same questions; judged by the final answer
};
Result<ReasoningTasks> reasoning_tasks(const Tokenizer& tokenizer, std::int64_t count, std::int64_t shots,
                                       std::uint64_t seed);

} // namespace headscope
