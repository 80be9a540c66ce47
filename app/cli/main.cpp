// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "app/cli/command.h"
#include "app/cli/interrupt.h"
#include "app/cli/progress.h"
#include "app/cli/version.h"

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
  if (console.json && !console.printed)
    console.print({{"error",
                    {{"code", to_string(error.code)},
                     {"message", error.message},
                     {"file", error.file},
                     {"field", error.field}}}});
  return exit_code(error.code);
}

// A command line that cannot be parsed: one line, with the command whose --help would tell.
Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "headscope";
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  std::string message = error.what();
  std::replace(message.begin(), message.end(), '\n', ' ');
  return make_error(ErrorCode::invalid_argument, message + "; see " + command + " --help");
}

bool asks_for_json(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](const char* word) { return std::strcmp(word, "--json") == 0; });
}

void add_all(CLI::App& app, Commands& commands) {
  add_model(app, commands);
  add_tokens(app, commands);
  add_logits(app, commands);
  add_generate(app, commands);
  add_detect(app, commands);
  add_ablate(app, commands);
  add_patch(app, commands);
  add_attention(app, commands);
  add_survey(app, commands);
  add_export(app, commands);
  add_inspect(app, commands);
  add_plant(app, commands);
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
    return report(usage_error(app, error), commands.console);
  }
  if (!commands.chosen) return exit_code(ErrorCode::invalid_argument);
  catch_interrupts();
  const Status status = commands.chosen(commands.console);
  finish_progress();
  if (!status.ok()) return report(status.error(), commands.console);
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return report(make_error(ErrorCode::io, "cannot be written", "standard output"), {});
  return 0;
}

} // namespace
} // namespace headscope::cli

int main(int argc, char** argv) {
  try {
    return headscope::cli::run(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "headscope: a defect of Headscope: %s\n", exception.what());
    return headscope::exit_code(headscope::ErrorCode::internal);
  }
}
