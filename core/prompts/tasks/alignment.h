// SPDX-License-Identifier: GPL-3.0-or-later
// Checks that the tokens of a clean and a corrupted prompt correspond position by position, and that answers are
// tokens.
#pragma once

#include <string>
#include <variant>

#include "core/prompts/tasks/task.h"

namespace headscope {

// The tokens of a pair, or the reason why it cannot be used. It can be used when
// - both prompts have as many tokens, and where they have as many words, the ends of all words that differ are at the
// same token in both;
// - the prompts differ;
// - every answer is one token (answer_token()), and none is both right and wrong; a single answer must also be the
// token that the tokenizer makes of it after the prompt.
// Returns an error only where the tokenizer fails.
using Alignment = std::variant<PatchPair, std::string>;
Result<Alignment> align(const Tokenizer& tokenizer, const TaskExample& example, const TokenizeOptions& options = {});

} // namespace headscope
