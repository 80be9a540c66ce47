// SPDX-License-Identifier: GPL-3.0-or-later
// What defines a generated task; each task has its own file.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <utility>

#include "core/base/random.h"
#include "core/prompts/tasks/task.h"

namespace headscope::tasks {

using Words = std::vector<std::string>;
// Draws one pair, whose tokens need not align.
using Draw = std::function<TaskExample(Random&)>;

struct Generator {
  TaskKind kind;
  // The request's counterfactual and variant are filled in and valid. Returns unsupported for a tokenizer that cannot
  // do it.
  Result<Draw> (*make)(const Tokenizer& tokenizer, const TaskRequest& request) = nullptr;
};

Generator greater_than();
Generator gendered_pronoun();
Generator docstring();
Generator colored_objects();
Generator multiple_choice();
Generator successor();
Generator agreement();
Generator graph();

// Replaces every {SLOT} of the text.
std::string fill(std::string text, std::initializer_list<std::pair<const char*, std::string>> slots);
// Picks `count` different words.
Words pick_different(Random& random, const Words& words, std::size_t count);
// Picks one word that is not among `than`.
const std::string& pick_other(Random& random, const Words& words, const Words& than);

} // namespace headscope::tasks
