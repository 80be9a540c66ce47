// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/plant.h"

#include <cstdio>

#include "app/cli/command.h"

namespace headscope::cli {
namespace {

struct Options {
  plant::PlantOptions plant;
  std::string folder;
  bool force = false;
};

Status run(const Options& options, const Console& console) {
  const auto written = plant::write_plant(options.folder, options.plant, options.force);
  if (!written.ok()) {
    Error error = written.error();
    for (const auto& [field, option] :
         {std::pair("layers", "--layers"), {"heads", "--heads"}, {"kv_heads", "--kv-heads"}, {"noise", "--noise"}})
      if (error.field == field) error.field = option;
    return error;
  }
  nlohmann::json heads = nlohmann::json::object();
  for (int i = 0; plant::is_target(static_cast<plant::Kind>(i)); ++i) {
    const auto kind = static_cast<plant::Kind>(i);
    nlohmann::json& list = heads[plant::kind_id(kind)] = nlohmann::json::array();
    for (const plant::PlantedHead& head : plant::heads_to_find(written->heads, kind))
      list.push_back(std::to_string(head.layer) + "." + std::to_string(head.head));
  }
  if (console.json) {
    console.print({{"folder", options.folder}, {"files", written->files}, {"heads", heads}});
    return {};
  }
  for (const auto& [kind, list] : heads.items()) {
    std::string line;
    for (const auto& head : list)
      line += " " + head.get<std::string>();
    std::printf("%-15s%s\n", kind.c_str(), line.c_str());
  }
  return {};
}

} // namespace

void add_plant(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "plant", "Write a model whose heads are known by construction",
                                  "headscope plant --out planted --seed 1 && headscope detect --model planted");
  auto options = std::make_shared<Options>();
  command->add_option("--out,-o", options->folder, "The folder to write the model into")->required();
  command->add_option("--seed", options->plant.seed, "Decides where which head is, and all that is random")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--layers", options->plant.layers, "From 3")->capture_default_str();
  command->add_option("--heads", options->plant.heads, "Of a layer")->capture_default_str();
  command->add_option("--kv-heads", options->plant.kv_heads, "Of a layer; divides --heads")->capture_default_str();
  command->add_option("--noise", options->plant.noise, "On each weight, in root mean squares of its matrix")
      ->capture_default_str();
  command->add_flag("--force", options->force, "Replace a model that is there");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
