// SPDX-License-Identifier: GPL-3.0-or-later
// The method `adjust`: makes heads attend elsewhere or write more or less, and measures what a task gains.
#pragma once

#include "app/methods/adjust/adjust_run.h"
#include "app/methods/base/method.h"
#include "app/methods/inputs/task_options.h"

namespace headscope::methods {

struct AdjustOptions {
  TaskOptions task;
  std::vector<std::string> steer, scale;
  std::string queries = "last";
  AdjustmentOptions adjustment; // whose attention is steered is that of `queries`
};

AdjustmentOptions adjustment_of(const AdjustOptions& options);

std::unique_ptr<Cells> make_adjust_cells(const AdjustOptions& options);
std::unique_ptr<Method> make_adjust();

} // namespace headscope::methods
