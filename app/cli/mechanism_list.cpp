// SPDX-License-Identifier: GPL-3.0-or-later
// `headscope mechanisms`: lists the ways to attend that --attention takes, with every option, and checks one against
// its reference.
#include <cmath>
#include <cstdio>

#include "app/cli/command.h"
#include "app/methods/base/values.h"
#include "app/runs/known_mechanisms.h"
#include "core/mechanisms/spec.h"
#include "plugins/sdk/mechanism_check.h"

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
          {"heads_compete", info.heads_compete},
          {"differentiable", info.differentiable},
          {"plugin", definition.module},
          {"options", options}};
}

Status list(const std::string& only, const Console& console) {
  nlohmann::json json = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"mechanism", "what it is", "drop-in", "from"}};
  const mechanisms::MechanismList known = only.empty() ? loaded_plugins().mechanisms() : mechanisms_for(only);
  for (const mechanisms::SharedDefinition& each : known.all())
    if (only.empty() || only == each->info.id) {
      json.push_back(to_json(*each));
      lines.push_back({each->info.id, one_line(each->info.title), each->info.drop_in ? "yes" : "no",
                       each->module.empty() ? "Headscope" : each->module});
    }
  if (json.empty()) return make_error(ErrorCode::not_found, known.why_missing(only), {}, "MECHANISM");
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
    std::printf("%s: %s\n", part, one_line(json[0][part].get<std::string>()).c_str());
  if (const auto plugin = json[0]["plugin"].get<std::string>(); !plugin.empty())
    std::printf("plugin: %s\n", plugin.c_str());
  if (lines.size() > 1) std::printf("\n%s", aligned(lines).c_str());
  return {};
}

// Compares a mechanism with its reference; every point is shown, those that fail as an error too.
Status check(const std::string& text, const Console& console) {
  auto specs = mechanisms::parse_specs(text, mechanisms_for(text));
  if (!specs.ok()) return make_error(specs.error().code, specs.error().message, specs.error().file, "MECHANISM");
  nlohmann::json json = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"mechanism", "what is compared", "largest difference", ""}};
  std::int64_t failed = 0;
  for (const mechanisms::MechanismSpec& spec : *specs)
    for (const mechanisms::CheckedPoint& point : mechanisms::check_mechanism(spec)) {
      failed += point.failure.empty() ? 0 : 1;
      const nlohmann::json difference = std::isfinite(point.difference) ? nlohmann::json(point.difference) : nullptr;
      json.push_back({{"mechanism", spec.text},
                      {"what", point.what},
                      {"difference", difference},
                      {"holds", point.failure.empty()},
                      {"failure", point.failure}});
      lines.push_back({spec.text, point.what, difference.is_null() ? "-" : mechanisms::number_text(point.difference),
                       point.failure.empty() ? "holds" : one_line(point.failure)});
    }
  if (console.json)
    console.print(json);
  else
    std::printf("%s", aligned(lines).c_str());
  if (failed == 0) return {};
  return make_error(ErrorCode::mismatch,
                    "is not what its reference and description say, at " + std::to_string(failed) + " of " +
                        std::to_string(json.size()) + " points",
                    {}, "MECHANISM");
}

} // namespace

void add_mechanism_list(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "mechanisms", "List the ways to attend, or the options of one",
                                  "headscope mechanisms hip");
  struct Options {
    std::string mechanism;
    bool check = false;
  };
  auto options = std::make_shared<Options>();
  CLI::Option* mechanism =
      command->add_option("MECHANISM", options->mechanism, "What it does and its options, e.g. hip");
  command
      ->add_flag("--check", options->check,
                 "Compare its form with its reference, e.g. of hip:k=512: lengths, padding, windows, causality, steps "
                 "from a cache")
      ->needs(mechanism);
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) {
      return options->check ? check(options->mechanism, console) : list(options->mechanism, console);
    };
  });
}

} // namespace headscope::cli
