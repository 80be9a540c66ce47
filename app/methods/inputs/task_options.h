// SPDX-License-Identifier: GPL-3.0-or-later
// The option --task and those that go with it: the prompts of a generated task, or of a file whose pairs are checked
// for alignment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/base/option.h"
#include "core/prompts/tasks/task.h"
#include "core/store/result_types.h"

namespace headscope::methods {

struct TaskOptions {
  std::string name, counterfactual, variant;
  std::optional<std::int64_t> count; // unset: 20, or all pairs of a file
  std::uint64_t seed = 0;
  std::int64_t ioi = 0; // a shorter way to write --task ioi --count N

  bool given() const { return !name.empty() || ioi > 0; }
  TaskRequest request() const;
};

void list_task_options(OptionList& list, TaskOptions& options);
// Checks the options before the model is loaded; nothing is checked where no task is given.
Status check_task(const TaskOptions& options);
store::Attributes option_attributes(const TaskOptions& options);

// Lines such as "3 dropped: an answer is not one token", one per reason.
std::vector<std::string> dropped_lines(const TaskSet& set);
void note_dropped(const std::vector<std::string>& lines, const Context& context);

} // namespace headscope::methods
