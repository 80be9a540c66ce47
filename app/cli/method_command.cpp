// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/method_command.h"

#include <cstdio>
#include <map>
#include <sstream>

#include "app/methods/methods.h"
#include "app/methods/run.h"
#include "core/base/crash_report.h"

namespace headscope::cli {
namespace {

using methods::ChoiceTarget;
using methods::Offered;
using methods::Option;

// The flag with its short forms as the parser wants them ("--mean-by-position"); for a positional option its name
// alone.
std::string flag_names(const Option& option) {
  std::string names = option.positional ? option.name : option.flag();
  for (const std::string& more : option.more_flags)
    names += "," + more;
  return names;
}

void limit(CLI::Option& flag, const Option& option) {
  if (option.least && option.most)
    flag.check(CLI::Range(*option.least, *option.most));
  else if (option.least)
    flag.check(at_least(*option.least));
}

CLI::Option* add_choice(CLI::App& command, const Option& option, const ChoiceTarget& target,
                        const std::shared_ptr<Status>& wrong) {
  CLI::Option* flag = command.add_option_function<std::string>(
      flag_names(option),
      [target, wrong, name = option.flag()](const std::string& text) {
        const Status status = target.set(text);
        if (!status.ok() && wrong->ok()) *wrong = make_error(status.error().code, status.error().message, {}, name);
      },
      option.help + ": " + choice_names(option.choices));
  flag->default_str(option.default_text);
  return flag;
}

struct AddFlag {
  CLI::App& command;
  const Option& option;
  const std::shared_ptr<Status>& wrong;

  CLI::Option* operator()(bool* value) const { return command.add_flag(flag_names(option), *value, option.help); }
  CLI::Option* operator()(const ChoiceTarget& target) const { return add_choice(command, option, target, wrong); }
  CLI::Option* operator()(std::vector<std::string>* value) const {
    return command.add_option(flag_names(option), *value, option.help)->allow_extra_args(option.comma);
  }
  template <typename T> CLI::Option* operator()(std::vector<T>* value) const {
    return command.add_option(flag_names(option), *value, option.help)
        ->delimiter(',')
        ->default_str(option.default_text);
  }
  CLI::Option* operator()(std::optional<std::int64_t>* value) const {
    return command.add_option(flag_names(option), *value, option.help);
  }
  template <typename T> CLI::Option* operator()(T* value) const {
    return command.add_option(flag_names(option), *value, option.help)->capture_default_str();
  }
};

} // namespace

void add_options(CLI::App& command, const methods::OptionList& list, const std::shared_ptr<Status>& wrong) {
  std::map<std::string, CLI::Option*> flags;
  for (const Option& option : list.all()) {
    if (option.offered == Offered::experiment) continue;
    CLI::Option* flag = std::visit(AddFlag{command, option, wrong}, option.target);
    limit(*flag, option);
    if (option.comma) flag->delimiter(',')->default_str(option.default_text);
    if (option.required) flag->required();
    flags[option.name] = flag;
  }
  for (const Option& option : list.all())
    if (!option.excludes.empty()) flags.at(option.name)->excludes(flags.at(option.excludes));
}

namespace {

// The variables that a command's parser writes into.
struct MethodCall {
  std::unique_ptr<methods::Method> method;
  methods::ModelOptions model;
  methods::OutputOptions output;
  std::shared_ptr<Status> wrong = std::make_shared<Status>();
};

void add_output_options(CLI::App& command, methods::OutputOptions& options, methods::Method& method) {
  const methods::Output output = method.info().output;
  if (output == methods::Output::none) return;
  auto* out = command.add_option("--out,-o", options.path, "The HDF5 result file to write");
  if (output == methods::Output::required) out->required();
  command.add_flag("--force", options.force, "Replace an existing file");
  if (method.cells())
    command.add_flag("--resumable", options.resumable,
                     "Keep what is finished in OUT.journal, from which the same call goes on");
}

Status call(MethodCall& what, const Console& console) {
  HS_TRY(*what.wrong);
  report_crashes();
  return methods::run_method(*what.method, what.model, what.output, console.context(), console.show());
}

// Finds or makes the subcommand of that name that groups others.
CLI::App* group_of(CLI::App& parent, const std::string& word) {
  for (CLI::App* known : parent.get_subcommands({}))
    if (known->get_name() == word) return known;
  CLI::App* group = parent.add_subcommand(word, word == "bench" ? "Measure how fast Headscope is on this machine" : "");
  group->require_subcommand(1);
  return group;
}

// Makes the command of a method's id, below those of its first words.
CLI::App* command_of(CLI::App& app, Commands& commands, const methods::MethodInfo& info) {
  std::istringstream words(info.id);
  CLI::App* parent = &app;
  std::string word, next;
  words >> word;
  while (words >> next) {
    parent = group_of(*parent, word);
    word = next;
  }
  return add_command(*parent, commands, word, info.summary, info.example);
}

// A method's own option takes the place of the general one of that name: `compare` has mechanisms of its own.
void drop_replaced(methods::OptionList& general, methods::Method& method) {
  methods::OptionList own;
  method.inputs(own);
  method.options(own);
  for (const Option& option : own.all())
    if (Option* replaced = general.find(option.name)) replaced->offered = Offered::experiment;
}

void add_method(CLI::App& app, Commands& commands, std::unique_ptr<methods::Method> method) {
  const auto what = std::make_shared<MethodCall>();
  what->method = std::move(method);
  const methods::MethodInfo& info = what->method->info();
  CLI::App* command = command_of(app, commands, info);
  methods::OptionList list;
  if (info.needs_model) methods::list_model_options(list, what->model);
  drop_replaced(list, *what->method);
  if (Option* model = info.model_may_be_missing ? list.find("model") : nullptr) model->required = false;
  what->method->inputs(list);
  what->method->options(list);
  add_options(*command, list, what->wrong);
  add_output_options(*command, what->output, *what->method);
  command->callback([&commands, command, what] {
    if (!command->get_subcommands().empty()) return; // "circuit export" is not a circuit
    commands.chosen = [what](const Console& console) { return call(*what, console); };
  });
}

} // namespace

void add_methods(CLI::App& app, Commands& commands) {
  for (auto& method : methods::all_methods())
    add_method(app, commands, std::move(method));
}

} // namespace headscope::cli
