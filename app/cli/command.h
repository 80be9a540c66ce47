// SPDX-License-Identifier: GPL-3.0-or-later
// Shared by all commands of `headscope`: where results and errors go, and how a command is registered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "app/methods/base/method.h"
#include "app/methods/base/values.h"
#include "core/base/result.h"
#include "core/base/run_control.h"

namespace headscope::cli {

// Names of methods and reports are used here without their namespace.
using namespace methods; // NOLINT(google-build-using-namespace)

// Only results go to standard output; progress, notes and errors go to standard error.
struct Console {
  bool json = false;
  bool quiet = false;
  std::string command_line;
  mutable bool printed = false;              // a document is on standard output
  mutable std::vector<std::string> warnings; // what warn() said

  void print(const nlohmann::json& document) const; // one document; NaN as null, broken UTF-8 as U+FFFD
  void note(const std::string& line) const;         // to standard error, unless quiet
  // Warns of something that a reader of the numbers must know: on standard error, even when quiet, and in the JSON
  // document.
  void warn(const std::string& line) const;
  RunControl control() const; // progress on standard error, cancelled by Ctrl-C
  // The context for a method; it must not outlive the console.
  Context context() const;
  // Prints a report as text or as JSON.
  Show show() const;
};

// Writes an error as {"code","message","file","field"}.
nlohmann::json to_json(const Error& error);

// Each command parses its options, then puts what to do into `chosen`.
struct Commands {
  Console console;
  std::function<Status(const Console&)> chosen;
};

// One function for each command that is not a method (method_command.h), in the file of its name.
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
void add_mechanism_list(CLI::App& app, Commands& commands);

// Requires a number not below `least`, and says so in words (CLI11's own ranges print every digit of the largest
// double).
CLI::Validator at_least(double least);

// Adds a subcommand with --json and --quiet, and an example at the end of its --help.
CLI::App* add_command(CLI::App& app, Commands& commands, const std::string& name, const std::string& description,
                      const std::string& example);

} // namespace headscope::cli
