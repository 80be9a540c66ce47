// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/experiment.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "app/experiments/beside.h"
#include "core/store/part_name.h"

namespace headscope::experiments {
namespace {

// A model that lies beside the experiment's file, as its task files do; else what the name means where the program
// was started, or a packaged model.
std::string model_beside(const std::string& experiment, const std::string& model) {
  const std::filesystem::path path = beside(experiment, model);
  std::error_code error;
  const bool there = path.extension() == ".gguf" || path.extension() == ".safetensors"
                         ? std::filesystem::is_regular_file(path, error)
                         : std::filesystem::exists(path / "config.json", error);
  return there ? path.string() : model;
}

Status read_model(TomlTable& root, const std::string& experiment, methods::ModelOptions& model) {
  auto table = root.table("model");
  HS_TRY(root.has("model") ? Status() : root.error_at("model", ErrorCode::invalid_argument, "is missing: [model]"));
  if (!table) return root.done();
  table->read("path", model.model);
  methods::OptionList list;
  methods::list_model_options(list, model);
  for (const methods::Option& option : list.all())
    if (option.name != "model") read_option(*table, option);
  HS_TRY(table->done());
  if (!model.model.empty()) {
    model.model = model_beside(experiment, model.model);
    return {};
  }
  return table->error_at("path", ErrorCode::invalid_argument, "is missing: a folder, a .gguf file or a packaged model");
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

} // namespace

Result<Experiment> parse_experiment(const std::string& text, const std::string& file) {
  HS_ASSIGN(TomlTable root, TomlTable::parse(text, file));
  Experiment out;
  out.file = file;
  out.text = text;
  root.read("name", out.name);
  HS_TRY(read_model(root, file, out.model));
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
  if (out.name.empty()) out.name = std::filesystem::path(file).stem().string();
  return out;
}

} // namespace headscope::experiments
