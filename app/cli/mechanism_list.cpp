// SPDX-License-Identifier: GPL-3.0-or-later
// `headscope mechanisms`: lists the ways to attend that --attention takes, with every option.
#include <cmath>
#include <cstdio>

#include "app/cli/command.h"
#include "core/mechanisms/spec.h"

namespace headscope::cli {
namespace {

using mechanisms::MechanismDefinition;
using mechanisms::MechanismOption;
using mechanisms::OptionKind;

nlohmann::json default_of(const MechanismOption& option) {
  if (option.kind() == OptionKind::choice)
    return option.choices[static_cast<std::size_t>(std::get<std::int64_t>(option.value))];
  return std::visit([](const auto& value) { return nlohmann::json(value); }, option.value);
}

const char* name_of(OptionKind kind) {
  switch (kind) {
  case OptionKind::whole: return "whole number";
  case OptionKind::number: return "number";
  case OptionKind::choice: return "choice";
  case OptionKind::text: return "text";
  }
  return "";
}

const char* name_of(QueryScope queries) {
  switch (queries) {
  case QueryScope::own: return "own";
  case QueryScope::earlier: return "earlier";
  case QueryScope::beside: return "beside";
  }
  return "";
}

const char* name_of(mechanisms::Weights weights) {
  switch (weights) {
  case mechanisms::Weights::softmax: return "softmax";
  case mechanisms::Weights::positive: return "positive";
  case mechanisms::Weights::signed_: return "signed";
  }
  return "";
}

nlohmann::json to_json(const MechanismOption& option) {
  nlohmann::json json = {{"name", option.name},
                         {"kind", name_of(option.kind())},
                         {"default", default_of(option)},
                         {"help", option.help},
                         {"file", option.is_file}};
  if (!option.choices.empty()) json["choices"] = option.choices;
  const bool number = option.kind() == OptionKind::whole || option.kind() == OptionKind::number;
  if (number && std::isfinite(option.least)) json["least"] = option.least;
  if (number && std::isfinite(option.most)) json["most"] = option.most;
  return json;
}

nlohmann::json to_json(const MechanismDefinition& definition) {
  const mechanisms::MechanismInfo& info = definition.info;
  nlohmann::json options = nlohmann::json::array();
  for (const MechanismOption& option : info.options)
    options.push_back(to_json(option));
  return {{"id", info.id},
          {"title", info.title},
          {"what", info.what},
          {"cost", info.cost},
          {"reference", info.reference},
          {"equals_full", info.equals_full},
          {"training", info.training},
          {"queries", name_of(info.queries)},
          {"weights", name_of(info.weights)},
          {"drop_in", info.drop_in},
          {"options", options}};
}

Status list(const std::string& only, const Console& console) {
  nlohmann::json json = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"mechanism", "what it is", "drop-in"}};
  for (const MechanismDefinition* each : mechanisms::all_mechanisms())
    if (only.empty() || only == each->info.id) {
      json.push_back(to_json(*each));
      lines.push_back({each->info.id, each->info.title, each->info.drop_in ? "yes" : "no"});
    }
  if (json.empty()) return make_error(ErrorCode::not_found, "there is no mechanism '" + only + "'", {}, "MECHANISM");
  if (console.json) {
    console.print(json);
    return {};
  }
  if (only.empty()) {
    std::printf("%s", aligned(lines).c_str());
    return {};
  }
  lines = {{"option", "default", "what it is"}};
  for (const nlohmann::json& option : json[0]["options"])
    lines.push_back({option["name"],
                     option["default"].is_string() ? option["default"].get<std::string>() : option["default"].dump(),
                     option["help"]});
  for (const char* part : {"title", "what", "cost", "equals_full", "training", "reference"})
    std::printf("%s: %s\n", part, json[0][part].get<std::string>().c_str());
  if (lines.size() > 1) std::printf("\n%s", aligned(lines).c_str());
  return {};
}

} // namespace

void add_mechanism_list(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "mechanisms", "List the ways to attend, or the options of one",
                                  "headscope mechanisms hip");
  auto only = std::make_shared<std::string>();
  command->add_option("MECHANISM", *only, "What it does and its options, e.g. hip");
  command->callback(
      [&commands, only] { commands.chosen = [only](const Console& console) { return list(*only, console); }; });
}

} // namespace headscope::cli
