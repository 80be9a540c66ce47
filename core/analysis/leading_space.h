// SPDX-License-Identifier: GPL-3.0-or-later
// Detects answers given without the leading space that the model would write: "Mary" where " Mary" is the likely next
// token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/sweeps/sweep.h"
#include "core/text/tokenizer.h"

namespace headscope {

// An answer without a leading space whose spaced form is also one token, but a different one.
struct UnspacedAnswer {
  std::size_t prompt = 0; // index of its prompt
  std::string text;       // "Mary"
  std::int64_t given = 0, spaced = 0;
};

// Adds the answer where this holds. `given` is the token that it became.
void note_unspaced(const Tokenizer& tokenizer, std::size_t prompt, std::string_view text, std::int64_t given,
                   std::vector<UnspacedAnswer>& list);

// Runs the prompts that the answers belong to and says, in one line, where the spaced form is the more probable next
// token, with both probabilities; empty where it never is. `prompts`: [prompt] token ids.
Result<std::string> leading_space_warning(const Engine& engine, const TokenRows& prompts,
                                          const std::vector<UnspacedAnswer>& answers, const CancelToken& cancel);
// Says the same of one prompt whose logits after the last token [d_vocab] are already known, without a run.
Result<std::string> leading_space_warning(const at::Tensor& logits, const std::vector<UnspacedAnswer>& answers);

} // namespace headscope
