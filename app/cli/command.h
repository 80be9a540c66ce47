// SPDX-License-Identifier: GPL-3.0-or-later
// What every command of `headscope` shares: where results and errors go, and how a command is registered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/base/result.h"
#include "core/base/task.h"

namespace headscope::cli {

// Results go to standard output and nothing else does; progress, notes and errors go to standard error.
struct Console {
  bool json = false;
  bool quiet = false;
  std::string command_line;
  mutable bool printed = false;              // a document is on standard output
  mutable std::vector<std::string> warnings; // what warn() said
  int steps = 0; // of a command that does several things one after the other; 0: does not say
  mutable int step = 0;

  void print(const nlohmann::json& document) const; // one document; NaN as null, broken UTF-8 as U+FFFD
  void note(const std::string& line) const;         // to standard error, unless quiet
  // What a reader of the numbers must know: to standard error, also when quiet, and into the JSON document.
  void warn(const std::string& line) const;
  TaskContext task() const;           // progress on standard error, cancelled by Ctrl-C
  void begin_step() const { ++step; } // progress then says "[2/5]" where `steps` is set
};

// {"code","message","file","field"}
nlohmann::json to_json(const Error& error);

// A command parses its options, then leaves what to do in `chosen`.
struct Commands {
  Console console;
  std::function<Status(const Console&)> chosen;
};

// One function a command, each in the file of its name.
void add_model(CLI::App& app, Commands& commands);
void add_tokens(CLI::App& app, Commands& commands);
void add_tasks(CLI::App& app, Commands& commands);
void add_logits(CLI::App& app, Commands& commands);
void add_generate(CLI::App& app, Commands& commands);
void add_mask(CLI::App& app, Commands& commands);
void add_detect(CLI::App& app, Commands& commands);
void add_ablate(CLI::App& app, Commands& commands);
void add_patch(CLI::App& app, Commands& commands);
void add_attention(CLI::App& app, Commands& commands);
void add_export(CLI::App& app, Commands& commands);
void add_inspect(CLI::App& app, Commands& commands);
void add_lens(CLI::App& app, Commands& commands);
void add_attribute(CLI::App& app, Commands& commands);
void add_circuit(CLI::App& app, Commands& commands);
void add_paths(CLI::App& app, Commands& commands);
void add_plant(CLI::App& app, Commands& commands);
void add_plugins(CLI::App& app, Commands& commands);
void add_run(CLI::App& app, Commands& commands);
void add_merge(CLI::App& app, Commands& commands);
void add_survey(CLI::App& app, Commands& commands);
void add_bench(CLI::App& app, Commands& commands);

// A number not below `least`; says so in words (CLI11's own ranges print every digit of the largest double).
CLI::Validator at_least(double least);

// A subcommand with --json and --quiet, and an example at the end of its --help.
CLI::App* add_command(CLI::App& app, Commands& commands, const std::string& name, const std::string& description,
                      const std::string& example);

} // namespace headscope::cli
