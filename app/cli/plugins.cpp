// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <unistd.h>

#include "app/cli/command.h"
#include "app/methods/base/values.h"
#include "plugins/host/plugin_host.h"

namespace headscope::cli {
namespace {

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list)
    text += (text.empty() ? "" : ", ") + item;
  return text;
}

nlohmann::json to_json(const plugin::PluginEntry& entry) {
  return {{"id", entry.id},         {"kind", entry.kind},         {"state", entry.loaded ? "loaded" : "refused"},
          {"reason", entry.reason}, {"provides", entry.provides}, {"manifest", entry.manifest},
          {"module", entry.module}};
}

Status list(bool fresh, const Console& console) {
  plugin::HostOptions options;
  options.probe.fresh = fresh;
  const auto host = plugin::PluginHost::load(options);
  for (const std::string& warning : host.warnings())
    console.note(warning);
  nlohmann::json plugins = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"plugin", "kind", "state", ""}};
  for (const plugin::PluginEntry& entry : host.entries()) {
    plugins.push_back(to_json(entry));
    lines.push_back({entry.id, entry.kind.empty() ? "-" : entry.kind, entry.loaded ? "loaded" : "refused",
                     one_line(entry.loaded ? joined(entry.provides)
                                           : entry.reason + " (" +
                                                 (entry.manifest.empty() ? entry.module : entry.manifest) + ")")});
  }
  if (console.json)
    console.print({{"plugins", plugins}, {"folders", host.folders()}});
  else
    std::printf("%sFolders: %s\n", aligned(lines).c_str(), joined(host.folders()).c_str());
  return {};
}

// Sends whatever the module prints to standard error, so that only the answers go to standard output.
Status probe(const std::string& file, const Console& console) {
  HS_ASSIGN(const plugin::Manifest manifest, plugin::read_manifest(file));
  HS_TRY(plugin::check_toolchain(manifest));
  std::fflush(stdout);
  std::FILE* answers = ::fdopen(::dup(1), "w");
  if (!answers || ::dup2(2, 1) < 0) return make_error(ErrorCode::io, "cannot be duplicated", "standard output");
  plugin::probe_here(manifest, answers, !console.json);
  std::fclose(answers);
  return {};
}

} // namespace

void add_plugins(CLI::App& app, Commands& commands) {
  CLI::App* command =
      app.add_subcommand("plugins", "Detectors and mechanisms of attention that are loaded at run time");
  command->require_subcommand(1);
  CLI::App* listing = add_command(*command, commands, "list", "Every plugin, whether it is loaded, and why not",
                                  "HEADSCOPE_PLUGINS=my_plugins headscope plugins list");
  auto fresh = std::make_shared<bool>(false);
  listing->add_flag("--fresh", *fresh, "Try every module again, also where the answer is known");
  listing->callback(
      [&commands, fresh] { commands.chosen = [fresh](const Console& console) { return list(*fresh, console); }; });
  CLI::App* probing = add_command(*command, commands, "probe", "Open one module in this process and say what it holds",
                                  "headscope plugins probe my_plugins/my_detector.json");
  auto file = std::make_shared<std::string>();
  probing->add_option("MANIFEST", *file, "The JSON file of a module")->required();
  probing->callback(
      [&commands, file] { commands.chosen = [file](const Console& console) { return probe(*file, console); }; });
}

} // namespace headscope::cli
