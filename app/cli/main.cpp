// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "app/cli/circuit_files.h"
#include "app/cli/command.h"
#include "app/cli/interrupt.h"
#include "app/cli/method_command.h"
#include "app/cli/progress.h"
#include "app/cli/version.h"
#include "core/base/memory.h"
#include "core/base/standard_streams.h"
#include "core/io/mapped_fault.h"

namespace headscope::cli {
namespace {

std::string command_line(int argc, char** argv) {
  std::string line = "headscope";
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\$*?[]{}()<>|;&#!`~") == std::string::npos;
    for (std::size_t at = 0; !plain && (at = word.find('\'', at)) != std::string::npos; at += 4)
      word.replace(at, 1, "'\\''");
    line += plain ? " " + word : " '" + word + "'";
  }
  return line;
}

int report(const Error& error, const Console& console) {
  finish_progress();
  std::fprintf(stderr, "headscope: %s\n", error.to_string().c_str());
  if (console.json && !console.printed) console.print({{"error", to_json(error)}});
  return exit_code(error.code);
}

// The command that was called, and its full name.
std::pair<const CLI::App*, std::string> called(const CLI::App& app) {
  std::pair<const CLI::App*, std::string> at = {&app, "headscope"};
  while (!at.first->get_subcommands().empty()) {
    at.first = at.first->get_subcommands().front();
    at.second += " " + at.first->get_name();
  }
  return at;
}

// CLI11 takes whatever follows an option as its value, even a flag: "--model --json". Refuses a value that looks like a
// flag, unless that flag itself is given too.
Status check_values(const CLI::App& app) {
  const auto [command, name] = called(app);
  for (const CLI::Option* option : command->get_options())
    for (const std::string& value : option->results())
      if (const CLI::Option* flag = value.rfind("--", 0) == 0 ? command->get_option_no_throw(value) : nullptr;
          flag && option->get_items_expected_min() > 0 && flag->count() == 0)
        return make_error(ErrorCode::invalid_argument,
                          option->get_name() + " needs a value before " + value + "; see " + name + " --help");
  // Refuses an empty --out: a script's unset variable must not lead to a run whose result is stored nowhere.
  if (const CLI::Option* out = command->get_option_no_throw("--out");
      out && out->count() > 0 && out->results()[0].empty())
    return make_error(ErrorCode::invalid_argument, "--out: names no file; see " + name + " --help");
  return {};
}

// The edit distance: how many letters must be changed, removed or added to turn one word into the other.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j)
    row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// Returns "; did you mean NAME?" where one of the names is similar.
std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::string* nearest = nullptr;
  std::size_t least = word.size() / 3 + 2;
  for (const std::string& name : names)
    if (const std::size_t away = distance(word, name); away < least) {
      least = away;
      nearest = &name;
    }
  return nearest ? "; did you mean " + *nearest + "?" : "";
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({}))
    names.push_back(command->get_name());
  return names;
}

// Says what is wrong with the first word that the command does not accept.
std::string unexpected(const CLI::App& command, const std::vector<std::string>& words, int argc, char** argv) {
  std::string word = words.front(); // the parser's order is not that of the command line
  for (int i = argc; --i > 0;)
    if (std::find(words.begin(), words.end(), argv[i]) != words.end()) word = argv[i];
  const std::string name = word.substr(0, word.find('='));
  if (name.rfind("-", 0) == 0) return "there is no option " + name + suggestion(name, option_names(command));
  const std::vector<std::string> commands = command_names(command);
  if (!commands.empty()) return "there is no command '" + word + "'" + suggestion(word, commands);
  return "'" + word + "' belongs to no option; quote a value of several words";
}

// Makes the error for a command line that cannot be parsed: one line, with the command whose --help explains it.
Error usage_error(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string message = error.what();
  const auto [command, name] = called(app);
  const std::vector<std::string> left = command->remaining();
  if (!left.empty() &&
      (dynamic_cast<const CLI::RequiredError*>(&error) || dynamic_cast<const CLI::ExtrasError*>(&error)))
    message = unexpected(*command, left, argc, argv);
  std::replace(message.begin(), message.end(), '\n', ' ');
  return make_error(ErrorCode::invalid_argument, message + "; see " + name + " --help");
}

// Whether the reader of the output has closed it, as `head` does when it has enough; that is not an error.
bool reader_left() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

bool asks_for_json(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](const char* word) { return std::strcmp(word, "--json") == 0; });
}

void add_all(CLI::App& app, Commands& commands) {
  add_model(app, commands);
  add_tokens(app, commands);
  add_tasks(app, commands);
  add_methods(app, commands);
  add_circuit_compare(*app.get_subcommand("circuit"), commands);
  add_circuit_export(*app.get_subcommand("circuit"), commands);
  add_run(app, commands);
  add_merge(app, commands);
  add_export(app, commands);
  add_inspect(app, commands);
  add_results_compare(app, commands);
  add_plant(app, commands);
  add_plugins(app, commands);
  add_method_list(app, commands);
  add_mechanism_list(app, commands);
}

int run(int argc, char** argv) {
  CLI::App app("Headscope: what the attention heads of a language model do");
  app.require_subcommand(1);
  app.fallthrough(false);
  app.footer("headscope COMMAND --help says more, with an example. Exit codes: docs/command-line.md.");
  bool version = false;
  app.add_flag_callback(
      "--version",
      [&] {
        version = true;
        throw CLI::Success();
      },
      "Print versions");
  Commands commands;
  commands.console.command_line = command_line(argc, argv);
  add_all(app, commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    if (version) {
      std::printf("%s\n", version_text().c_str());
      return 0;
    }
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    commands.console.json = asks_for_json(argc, argv);
    return report(usage_error(app, error, argc, argv), commands.console);
  }
  if (const Status status = check_values(app); !status.ok()) {
    commands.console.json = asks_for_json(argc, argv);
    return report(status.error(), commands.console);
  }
  if (!commands.chosen) return exit_code(ErrorCode::invalid_argument);
  catch_interrupts();
  const Status status = commands.chosen(commands.console);
  finish_progress();
  if (!status.ok()) return report(status.error(), commands.console);
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && !reader_left())
    return report(make_error(ErrorCode::io, "cannot be written", "standard output"), {});
  return 0;
}

} // namespace
} // namespace headscope::cli

int main(int argc, char** argv) {
  headscope::open_standard_streams();
  headscope::keep_freed_memory();
  headscope::io::report_cut_files();
  try {
    return headscope::cli::run(argc, argv);
  } catch (const std::exception& exception) {
    headscope::cli::Console console;
    console.json = headscope::cli::asks_for_json(argc, argv);
    return headscope::cli::report(
        headscope::make_error(headscope::ErrorCode::internal,
                              std::string("a defect of Headscope: ").append(exception.what())),
        console);
  }
}
