// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "app/gui/engine/engine_state.h"
#include "app/gui/engine/method_job.h"
#include "app/methods/base/speed.h"
#include "app/methods/inputs/task_options.h"
#include "app/methods/resumable.h"
#include "app/methods/run.h"

namespace headscope::gui {
namespace {

TokenRows timed_rows(const Engine& engine, const std::optional<TaskSet>& set) {
  constexpr std::size_t n_rows = 8;
  TokenRows rows;
  for (std::size_t i = 0; set && i < std::min(n_rows, set->cases.size()); ++i)
    rows.push_back(set->cases[i].tokens.clean);
  const auto length = static_cast<std::size_t>(std::min<std::int64_t>(16, engine.config().n_ctx));
  if (rows.empty()) rows.assign(n_rows, std::vector<std::int64_t>(length, 1));
  return rows;
}

Result<TaskSet> task_of(const Engine& engine, const methods::Method& method) {
  const methods::TaskOptions* task = method.task();
  if (!task || !task->given())
    return make_error(ErrorCode::invalid_argument, "an estimate takes the prompts of a task; name one", {}, "--task");
  HS_TRY(methods::check_task(*task));
  return make_task(*engine.model().tokenizer, task->request());
}

} // namespace

Result<MethodEstimate> estimate_method(const EngineState& state, const MethodRequest& request,
                                       const RunControl& task) {
  HS_ASSIGN(const auto engine, open_engine(state));
  HS_ASSIGN(const std::unique_ptr<methods::Method> method, method_of(request));
  HS_TRY(methods::check_cells(*method));
  HS_TRY(methods::check_method(*method, methods::Checked::own_options));
  const std::unique_ptr<methods::Cells> cells = method->cells();
  std::optional<TaskSet> set;
  if (cells->needs_task()) {
    HS_ASSIGN(set, task_of(*engine, *method));
  }
  HS_TRY(cells->bind({engine.get(), set ? &*set : nullptr, "task", request.id, {}}));
  task.report("timing a forward pass", 0, 0);
  HS_ASSIGN(const double seconds, methods::seconds_per_token(*engine, timed_rows(*engine, set), task.cancel));
  const methods::Cost cost = cells->cost();
  return MethodEstimate{cells->count(), cost.forwards, cost.tokens * seconds};
}

} // namespace headscope::gui
