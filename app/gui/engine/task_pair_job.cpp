// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/task_pair_job.h"

#include "app/gui/engine/engine_state.h"
#include "core/prompts/tasks/task.h"

namespace headscope::gui {

Result<PatchPrompts> task_pair(const EngineState& state, const std::string& task, std::uint64_t seed) {
  HS_ASSIGN(const auto engine, open_engine(state));
  TaskRequest request;
  request.name = task;
  request.count = 1;
  request.seed = seed;
  HS_ASSIGN(const TaskSet set, make_task(*engine->model().tokenizer, request));
  const TaskExample& example = set.cases.front().example;
  PatchPrompts pair{example.clean, example.corrupted, {}, {}, true};
  if (!example.answer.empty()) pair.answer = example.answer.front();
  if (!example.wrong.empty()) pair.wrong = example.wrong.front();
  return pair;
}

} // namespace headscope::gui
