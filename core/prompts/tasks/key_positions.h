// SPDX-License-Identifier: GPL-3.0-or-later
// Where the tokens that attention is steered towards are in a task's clean prompt.
#pragma once

#include <string_view>
#include <vector>

#include "core/prompts/tasks/task.h"

namespace headscope {

// `name`: a span of the example (TaskExample::spans); else "answer" or "wrong": the tokens that are one of the
// answers'; "first": position 0; "last". Increasing; empty where the prompt has none. Returns not_found for another
// name.
Result<std::vector<std::int64_t>> key_positions(const Tokenizer& tokenizer, const TaskCase& item,
                                                std::string_view name);

} // namespace headscope
