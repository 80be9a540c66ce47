// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/inputs/task_options.h"

namespace headscope::methods {
namespace {

constexpr std::int64_t usual_count = 20;

bool is_kind(const std::string& name) { return find_task(name).ok(); }

} // namespace

TaskRequest TaskOptions::request() const {
  if (ioi > 0) return {"ioi", counterfactual, variant, ioi, seed};
  return {name, counterfactual, variant, count.value_or(is_kind(name) ? usual_count : 0), seed};
}

void list_task_options(OptionList& list, TaskOptions& options) {
  list.add("task", options.name,
           "Prompts of a task (headscope tasks list), or a file whose pairs are checked for alignment");
  list.add("count", options.count, "Pairs of the task; default: 20, of a file all").in("pair").at_least(1);
  list.add("ioi", options.ioi, "The same as --task ioi --count N").in("pair").at_least(0);
  list.add("task_seed", options.seed, "Of the task's prompts").flags({"--ioi-seed"}).at_least(0);
  list.add("variant", options.variant, "Only this variant of the task, e.g. ABBA; default: all");
  list.add("corruption", options.counterfactual,
           "What the task's corrupt prompts are, e.g. flip; default: the task's first");
}

Status check_task(const TaskOptions& options) {
  if (!options.given()) return {};
  if (options.ioi > 0 && !options.name.empty())
    return make_error(ErrorCode::invalid_argument, "give one of --task and --ioi", {}, "--task");
  const Status status = check_task_request(options.request());
  if (status.ok()) return {};
  const Error& error = status.error();
  const std::string field = error.field == "counterfactual" ? "--corruption" : "--" + error.field;
  return make_error(error.code, error.message, error.file, field);
}

store::Attributes option_attributes(const TaskOptions& options) {
  if (!options.given()) return {};
  const TaskRequest request = options.request();
  return {{"task", request.name},
          {"task_count", request.count},
          {"task_seed", static_cast<std::int64_t>(request.seed)},
          {"counterfactual", request.counterfactual},
          {"variant", request.variant}};
}

std::vector<std::string> dropped_lines(const TaskSet& set) {
  std::vector<std::string> lines;
  for (const auto& [reason, count] : set.dropped_by_reason())
    lines.push_back(std::to_string(count) + " dropped: " + reason);
  return lines;
}

void note_dropped(const std::vector<std::string>& lines, const Context& context) {
  for (const std::string& line : lines)
    context.note(line);
}

} // namespace headscope::methods
