// SPDX-License-Identifier: GPL-3.0-or-later
// Finds the tokens of a task's clean prompt that attention is steered towards.
#pragma once

#include <string_view>
#include <vector>

#include "core/prompts/tasks/task.h"

namespace headscope {

// `name` is a span of the example (TaskExample::spans), "answer" or "wrong" (the tokens that are one of these answers),
// "first" (position 0) or "last". Positions increase; empty where the prompt has none. Returns not_found for another
// name.
Result<std::vector<std::int64_t>> key_positions(const Tokenizer& tokenizer, const TaskCase& item,
                                                std::string_view name);

} // namespace headscope
