// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <cstdio>
#include <sstream>

#include <unistd.h>

#include "app/cli/command.h"
#include "app/cli/interrupt.h"
#include "app/cli/progress.h"
#include "core/base/plain_text.h"

namespace headscope::cli {

void Console::print(const nlohmann::json& document) const {
  nlohmann::json whole = document;
  if (whole.is_object() && !warnings.empty()) whole["warnings"] = warnings;
  // Terminals also obey U+0080 to U+009F, so everything but ASCII is escaped there.
  const bool ascii = ::isatty(STDOUT_FILENO) == 1;
  const std::string text = whole.dump(-1, ' ', ascii, nlohmann::json::error_handler_t::replace);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout); // nothing that happens later may cost the document
  printed = true;
}

nlohmann::json to_json(const Error& error) {
  return {{"code", to_string(error.code)}, {"message", error.message}, {"file", error.file}, {"field", error.field}};
}

void Console::note(const std::string& line) const {
  if (!quiet) std::fprintf(stderr, "%s\n", plain_text(line).c_str());
}

void Console::warn(const std::string& line) const {
  finish_progress();
  std::fprintf(stderr, "warning: %s\n", plain_text(line).c_str());
  warnings.push_back(line);
}

RunControl Console::task() const { return context().control(); }

Context Console::context() const {
  Context context;
  context.cancel = interrupt_token();
  context.command_line = command_line;
  context.progress_ended = finish_progress;
  context.warn_line = [this](const std::string& line) { warn(line); };
  if (!json)
    context.text_piece = [terminal = ::isatty(STDOUT_FILENO) == 1](const std::string& piece) {
      const std::string shown = terminal ? plain_lines(piece) : piece;
      std::fwrite(shown.data(), 1, shown.size(), stdout);
      std::fflush(stdout);
    };
  if (quiet) return context;
  context.note_line = [this](const std::string& line) { note(line); };
  context.progress = progress_display();
  return context;
}

Show Console::show() const {
  return [this](const Report& report) {
    if (json)
      print(report.json);
    else
      std::fwrite(report.text.data(), 1, report.text.size(), stdout);
    std::fflush(stdout);
  };
}

CLI::Validator at_least(double least) {
  std::ostringstream text;
  text << least;
  const std::string name = text.str();
  return CLI::Validator(
      [least, name](const std::string& word) {
        double value = 0.0;
        const bool number = CLI::detail::lexical_cast(word, value);
        return number && std::isfinite(value) && value >= least
                   ? std::string()
                   : "must be a number of at least " + name + ", not '" + word + "'";
      },
      "AT LEAST " + name);
}

CLI::App* add_command(CLI::App& app, Commands& commands, const std::string& name, const std::string& description,
                      const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_flag("--json", commands.console.json, "Print one JSON document");
  command->add_flag("--quiet,-q", commands.console.quiet, "No progress and no notes");
  command->footer("Example:\n  " + example);
  return command;
}

} // namespace headscope::cli
