// SPDX-License-Identifier: GPL-3.0-or-later
// `headscope methods`: lists all methods with every option.
#include <cstdio>

#include "app/cli/command.h"
#include "app/methods/methods.h"

namespace headscope::cli {
namespace {

Status list(const std::string& only, const Console& console) {
  nlohmann::json json = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"method", "what it does"}};
  if (!only.empty()) {
    HS_ASSIGN(const auto method, make_method(only));
    json.push_back(describe(*method));
    lines = {{"option", "default", "what it is"}};
    for (const char* part : {"inputs", "options"})
      for (const nlohmann::json& option : json[0][part])
        lines.push_back({option["flag"].is_null() ? option["key"] : option["flag"], option["default"], option["help"]});
  } else {
    for (auto& method : all_methods()) {
      lines.push_back({method->info().id, method->info().summary});
      json.push_back(describe(*method));
    }
  }
  if (console.json)
    console.print(json);
  else
    std::printf("%s", aligned(lines).c_str());
  return {};
}

} // namespace

void add_method_list(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "methods", "List the methods, or the options of one",
                                  "headscope methods ablate --json");
  auto only = std::make_shared<std::string>();
  command->add_option("METHOD", *only, "The options of this one, e.g. 'circuit benchmark'");
  command->callback(
      [&commands, only] { commands.chosen = [only](const Console& console) { return list(*only, console); }; });
}

} // namespace headscope::cli
