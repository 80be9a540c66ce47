// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/detect_run.h"
#include "app/cli/model_options.h"
#include "app/cli/values.h"
#include "core/base/plain_text.h"
#include "core/base/text_file.h"
#include "plugins/host/plugin_host.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  DetectOptions detect;
  OutputOptions output;
  bool list = false;
};

std::string default_text(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "on" : "off";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nlohmann::json(std::get<double>(value)).dump();
}

Status list(const Console& console) {
  nlohmann::json json = nlohmann::json::array();
  const auto host = plugin::PluginHost::load();
  for (const auto& detector : host.detectors()) {
    nlohmann::json options = nlohmann::json::array();
    std::vector<std::vector<std::string>> lines;
    for (const OptionSpec& spec : detector->options()) {
      options.push_back({{"name", spec.name},
                         {"default", default_text(spec.standard)},
                         {"help", spec.help},
                         {"allowed", spec.allowed}});
      lines.push_back({"  " + detector->id() + "." + spec.name, default_text(spec.standard), spec.help});
    }
    json.push_back({{"id", detector->id()},
                    {"title", detector->title()},
                    {"description", detector->description()},
                    {"reference", detector->reference()},
                    {"options", options}});
    if (!console.json)
      std::printf("%s: %s\n  %s.\n  After %s\n%s\n", plain_text(detector->id()).c_str(),
                  plain_text(detector->title()).c_str(), plain_text(detector->description()).c_str(),
                  plain_text(detector->reference()).c_str(), aligned(lines).c_str());
  }
  if (console.json) console.print(json);
  return {};
}

Status run(const Options& options, const Console& console) {
  if (options.list) return list(console);
  if (options.model.model.empty()) return make_error(ErrorCode::invalid_argument, "no model is named", {}, "--model");
  if (const std::string& text = options.detect.haystack; !text.empty())
    if (const Status there = check_readable(text); !there.ok())
      return make_error(there.error().code, there.error().message, text, "--haystack");
  HS_ASSIGN(const auto plan, plan_detectors(options.detect, console));
  HS_ASSIGN(auto writer, open_output(options.output, console, seeds_of(plan)));
  HS_ASSIGN(const auto model, load(options.model, console, false));
  if (writer) HS_TRY(store_model(*writer, *model, options.model));
  HS_ASSIGN(const Engine engine, open_engine(model, options.model));
  HS_ASSIGN(const DetectorOutcomes outcomes,
            run_detectors(plan, engine, options.detect.haystack, console, writer ? &*writer : nullptr));
  if (console.json)
    console.print(to_json(outcomes));
  else
    std::printf("%s", strongest_heads(outcomes, 8).c_str());
  if (outcomes.refused) return *outcomes.refused;
  HS_TRY(finish_output(writer, options.output, console, outcomes.complete));
  if (outcomes.failed) return *outcomes.failed; // what the others found is in the file
  return {};
}

} // namespace

void add_detect(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "detect", "Find out what attention heads do",
                                  "headscope detect --model smollm2 --detectors induction,sink --out heads.h5");
  auto options = std::make_shared<Options>();
  add_model_options(*command, options->model);
  command->get_option("--model")->required(false);
  add_detect_options(*command, options->detect);
  add_output_options(*command, options->output, false);
  command->add_flag("--list", options->list, "List the detectors and their options");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
