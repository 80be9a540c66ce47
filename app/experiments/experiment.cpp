// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/experiment.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "app/experiments/beside.h"
#include "core/store/part_name.h"

namespace headscope::experiments {
namespace {

Status read_model(TomlTable& root, Experiment& out) {
  auto table = root.table("model");
  HS_TRY(root.has("model") ? Status() : root.error_at("model", ErrorCode::invalid_argument, "is missing: [model]"));
  if (!table) return root.done();
  const std::vector<std::string> paths = read_model_paths(*table);
  methods::OptionList list;
  methods::list_model_options(list, out.model);
  for (const methods::Option& option : list.all())
    if (option.name != "model") read_option(*table, option);
  HS_TRY(table->done());
  HS_ASSIGN(out.models, name_models(*table, out.file, paths));
  out.model.model = out.models.front().path;
  return {};
}

Result<ExperimentTask> read_task(TomlTable& table, const std::string& experiment) {
  ExperimentTask task;
  std::string generator, file;
  table.read("name", task.name);
  table.read("generator", generator);
  table.read("file", file);
  table.read("count", task.options.count);
  table.read("seed", task.options.seed);
  table.read("corruption", task.options.counterfactual);
  table.read("variant", task.options.variant);
  HS_TRY(table.done());
  if (!generator.empty() && !file.empty())
    return table.error_at("file", ErrorCode::invalid_argument, "goes with no generator; give one of them");
  if (task.name.empty()) task.name = generator;
  if (const Status usable = store::check_part_name(task.name); !usable.ok())
    return table.error_at("name", ErrorCode::invalid_argument, usable.error().message);
  task.options.name = file.empty() ? (generator.empty() ? task.name : generator) : beside(experiment, file);
  const Status status = check_task_request(task.options.request());
  if (status.ok()) return task;
  const std::string& field = status.error().field;
  const char* key = field == "task"             ? (file.empty() ? "generator" : "file")
                    : field == "counterfactual" ? "corruption"
                                                : field.c_str();
  return table.error_at(table.has(key) ? key : "name", status.error().code, status.error().message);
}

Status read_steps(TomlTable& table, Experiment& out) {
  const std::vector<TomlTable::Swept> swept = table.sweep();
  HS_TRY(swept.empty() ? table.done() : Status());
  for (TomlTable::Swept each : swept) {
    HS_ASSIGN(auto step, read_step(each.table, out.file));
    step->name += each.suffix;
    if (const Status usable = store::check_part_name(step->name); !usable.ok())
      return table.error_at("name", ErrorCode::invalid_argument, usable.error().message);
    const auto same = [&](const auto& other) {
      return other->name == step->name && other->id() == std::string_view(step->id());
    };
    if (std::any_of(out.steps.begin(), out.steps.end(), same))
      return table.error_at("name", ErrorCode::invalid_argument,
                            "another step of this method has the name " + step->name + "; give each its own");
    const auto task =
        std::find_if(out.tasks.begin(), out.tasks.end(), [&](const auto& t) { return t.name == step->task; });
    if (step->cells->needs_task() && task == out.tasks.end())
      return table.error_at("task", ErrorCode::not_found, "there is no [[task]] of the name " + step->task);
    out.steps.push_back(std::move(step));
  }
  return {};
}

// A step has a result for each model, and a task may have prompts for each: with the model's name appended, no two
// names may be equal.
Status check_names_with_models(const TomlTable& root, const Experiment& out) {
  std::set<std::pair<std::string, std::string>> results;
  std::set<std::string> prompts;
  for (const ExperimentTask& task : out.tasks)
    prompts.insert(task.name);
  const auto refuse = [&](const std::string& what, const std::string& name) {
    return root.error_at("model", ErrorCode::invalid_argument,
                         "two " + what + " would have the name " + name +
                             " with the models' names behind theirs; rename a step or task");
  };
  for (const ExperimentModel& model : out.models) {
    for (const auto& step : out.steps)
      if (const std::string name = with_model(step->name, model); !results.emplace(step->id(), name).second)
        return refuse("results", name);
    for (const ExperimentTask& task : out.tasks)
      if (const std::string name = with_model(task.name, model); !model.name.empty() && !prompts.insert(name).second)
        return refuse("tasks", name);
  }
  return {};
}

} // namespace

Result<Experiment> parse_experiment(const std::string& text, const std::string& file) {
  HS_ASSIGN(TomlTable root, TomlTable::parse(text, file));
  Experiment out;
  out.file = file;
  out.text = text;
  root.read("name", out.name);
  HS_TRY(read_model(root, out));
  if (auto output = root.table("output")) {
    output->read("file", out.out);
    HS_TRY(output->done());
  }
  std::set<std::string> names;
  for (TomlTable& table : root.tables("task")) {
    HS_ASSIGN(ExperimentTask task, read_task(table, file));
    if (!names.insert(task.name).second)
      return table.error_at("name", ErrorCode::invalid_argument, "another task has the name " + task.name);
    out.tasks.push_back(std::move(task));
  }
  std::vector<TomlTable> steps = root.tables("step");
  HS_TRY(root.done());
  for (TomlTable& table : steps)
    HS_TRY(read_steps(table, out));
  if (out.steps.empty()) return root.error_at("step", ErrorCode::invalid_argument, "there are none: [[step]]");
  HS_TRY(check_names_with_models(root, out));
  if (out.name.empty()) out.name = std::filesystem::path(file).stem().string();
  return out;
}

} // namespace headscope::experiments
