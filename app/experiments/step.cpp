// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/step.h"

#include "app/experiments/beside.h"
#include "app/methods/methods.h"

namespace headscope::experiments {
namespace {

using methods::ChoiceTarget;
using methods::Offered;
using methods::Option;

struct ReadKey {
  TomlTable& table;
  const Option& option;

  void operator()(const ChoiceTarget& target) const {
    std::string text = target.get();
    table.read(option.key().c_str(), text);
    if (const Status status = target.set(text); !status.ok())
      table.fail(table.error_at(option.key().c_str(), status.error().code, status.error().message));
  }
  template <typename T> void operator()(T* value) const { table.read(option.key().c_str(), *value); }
};

// Moves an error of the method, which names a flag, to the key of that option.
Error at_key(const TomlTable& table, const methods::OptionList& list, const Error& error) {
  const std::size_t space = error.field.find(' '); // "--set sink.texts"
  const std::string field = error.field.substr(0, space);
  std::string message = error.message;
  if (space != std::string::npos)
    message = (error.file.empty() ? "" : error.file + ": ") + error.field.substr(space + 1) + ": " + message;
  for (const Option& option : list.all())
    if (field == option.flag() || field == option.name)
      return table.error_at(option.key().c_str(), error.code, message);
  return table.error_at("method", error.code, (error.field.empty() ? "" : error.field + ": ") + error.message);
}

Result<std::unique_ptr<Step>> make_step(const TomlTable& table, const std::string& id) {
  auto step = std::make_unique<Step>();
  std::string known;
  for (auto& method : methods::all_methods()) {
    auto cells = method->cells();
    if (!cells) continue;
    known += (known.empty() ? "" : ", ") + std::string(method->info().id);
    if (id != method->info().id) continue;
    step->cells = std::move(cells);
    step->method = std::move(method);
    return step;
  }
  const char* why = id.empty() ? "is missing" : "is not known";
  return table.error_at("method", ErrorCode::invalid_argument, std::string(why) + "; there are " + known);
}

} // namespace

void read_option(TomlTable& table, const Option& option) {
  std::visit(ReadKey{table, option}, option.target);
  if (const Status within = option.check(); !within.ok())
    table.fail(table.error_at(option.key().c_str(), within.error().code, within.error().message));
}

namespace {

void read_options(TomlTable& table, const methods::OptionList& list, const std::string& experiment) {
  for (const Option& option : list.all()) {
    if (option.offered == Offered::command_line) continue;
    read_option(table, option);
    auto* const* path = std::get_if<std::string*>(&option.target);
    if (option.file && path && !(*path)->empty()) **path = beside_if_there(experiment, **path);
  }
}

} // namespace

Result<std::unique_ptr<Step>> read_step(TomlTable& table, const std::string& experiment) {
  std::string id, name, task;
  table.read("method", id);
  table.read("name", name);
  table.read("task", task);
  HS_ASSIGN(auto step, make_step(table, id));
  methods::OptionList list;
  step->method->options(list);
  read_options(table, list, experiment);
  HS_TRY(table.done());
  step->method->place_files([&](const std::string& file) { return beside_if_there(experiment, file); });
  if (const Status status = step->method->check_options(); !status.ok()) return at_key(table, list, status.error());
  step->name = name.empty() ? (task.empty() ? id : task + "-" + id) : name;
  step->task = task;
  if (name.find('/') != std::string::npos)
    return table.error_at("name", ErrorCode::invalid_argument, "must not hold '/'");
  if (step->cells->needs_task() && task.empty())
    return table.error_at("task", ErrorCode::invalid_argument, "is missing; it names one of the [[task]] tables");
  return step;
}

} // namespace headscope::experiments
