// SPDX-License-Identifier: GPL-3.0-or-later
// What every command of `headscope` shares: where results and errors go, and how a command is registered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/methods/base/method.h"
#include "app/methods/base/values.h"
#include "core/base/result.h"
#include "core/base/task.h"

namespace headscope::cli {

// What methods and reports bring is called here without its namespace.
using namespace methods; // NOLINT(google-build-using-namespace)

// Results go to standard output and nothing else does; progress, notes and errors go to standard error.
struct Console {
  bool json = false;
  bool quiet = false;
  std::string command_line;
  mutable bool printed = false;              // a document is on standard output
  mutable std::vector<std::string> warnings; // what warn() said

  void print(const nlohmann::json& document) const; // one document; NaN as null, broken UTF-8 as U+FFFD
  void note(const std::string& line) const;         // to standard error, unless quiet
  // What a reader of the numbers must know: to standard error, also when quiet, and into the JSON document.
  void warn(const std::string& line) const;
  TaskContext task() const; // progress on standard error, cancelled by Ctrl-C
  // What a method is lent; it must not outlive the console.
  Context context() const;
  // Prints a report as text or as JSON.
  Show show() const;
};

// {"code","message","file","field"}
nlohmann::json to_json(const Error& error);

// A command parses its options, then leaves what to do in `chosen`.
struct Commands {
  Console console;
  std::function<Status(const Console&)> chosen;
};

// One function a command that is no method (method_command.h), each in the file of its name.
void add_model(CLI::App& app, Commands& commands);
void add_tokens(CLI::App& app, Commands& commands);
void add_tasks(CLI::App& app, Commands& commands);
void add_export(CLI::App& app, Commands& commands);
void add_inspect(CLI::App& app, Commands& commands);
void add_plant(CLI::App& app, Commands& commands);
void add_results_compare(CLI::App& app, Commands& commands);
void add_plugins(CLI::App& app, Commands& commands);
void add_run(CLI::App& app, Commands& commands);
void add_merge(CLI::App& app, Commands& commands);
void add_method_list(CLI::App& app, Commands& commands);

// A number not below `least`; says so in words (CLI11's own ranges print every digit of the largest double).
CLI::Validator at_least(double least);

// A subcommand with --json and --quiet, and an example at the end of its --help.
CLI::App* add_command(CLI::App& app, Commands& commands, const std::string& name, const std::string& description,
                      const std::string& example);

} // namespace headscope::cli
