// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/experiment/step.h"

#include <utility>

namespace headscope::cli {

void check_at_least(TomlTable& table, const char* key, std::int64_t value, std::int64_t least) {
  if (value < least)
    table.fail(table.error_at(key, ErrorCode::invalid_argument, "must be at least " + std::to_string(least)));
}

Result<std::unique_ptr<Step>> read_step(TomlTable& table) {
  using Reader = Result<std::unique_ptr<Step>> (*)(TomlTable&);
  constexpr std::pair<const char*, Reader> readers[] = {
      {"ablate", read_ablate_step},       {"adjust", read_adjust_step}, {"patch", read_patch_step},
      {"attribute", read_attribute_step}, {"paths", read_paths_step},   {"circuit", read_circuit_step},
      {"detect", read_detect_step}};
  std::string method, name, task, known;
  table.read("method", method);
  table.read("name", name);
  table.read("task", task);
  for (const auto& [id, reader] : readers) {
    known += (known.empty() ? "" : ", ") + std::string(id);
    if (method != id) continue;
    HS_ASSIGN(auto step, reader(table));
    HS_TRY(table.done());
    step->method = method;
    step->name = name.empty() ? (task.empty() ? method : task + "-" + method) : name;
    step->task = task;
    if (name.find('/') != std::string::npos)
      return table.error_at("name", ErrorCode::invalid_argument, "must not hold '/'");
    if (step->needs_task() && task.empty())
      return table.error_at("task", ErrorCode::invalid_argument, "is missing; it names one of the [[task]] tables");
    return step;
  }
  const char* why = method.empty() ? "is missing" : "is not known";
  return table.error_at("method", ErrorCode::invalid_argument, std::string(why) + "; there are " + known);
}

} // namespace headscope::cli
