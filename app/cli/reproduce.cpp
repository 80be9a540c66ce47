// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cstdio>

#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/cli/reproduce_runs.h"
#include "app/cli/values.h"

namespace headscope::cli {
namespace {

struct Options {
  ModelOptions model;
  ReproduceOptions how;
  std::string experiment;
};

std::string measured_text(const nlohmann::json& measured) {
  if (measured.is_null()) return "-";
  if (measured.is_string()) return measured.get<std::string>();
  return measured.is_number_float() ? fixed(measured.get<double>(), 3) : measured.dump();
}

std::string models_text(const std::vector<PublishedModel>& models) {
  std::string text;
  for (const PublishedModel& model : models)
    text += (text.empty() ? "" : ", ") + std::string(model.name);
  return text;
}

void print_text(const Reproduction& found, const Model& model, bool same) {
  std::printf("%s\n%s\nPublished of %s; measured on %s", found.paper.c_str(), found.setup.c_str(),
              models_text(found.published).c_str(), model.identity.name.c_str());
  std::printf(same ? ".\n" : ", which is another model: the numbers need not agree.\n");
  std::vector<std::vector<std::string>> lines = {{"", "published", "measured", ""}};
  for (const ReproducedRow& row : found.rows)
    lines.push_back({row.what, row.published.empty() ? "-" : row.published, measured_text(row.measured), row.note});
  std::printf("%s", aligned(lines).c_str());
}

nlohmann::json to_json(const std::string& name, const Reproduction& found, const Model& model, bool same) {
  nlohmann::json rows = nlohmann::json::array(), models = nlohmann::json::array();
  for (const ReproducedRow& row : found.rows)
    rows.push_back({{"what", row.what},
                    {"published", row.published.empty() ? nlohmann::json() : nlohmann::json(row.published)},
                    {"measured", row.measured},
                    {"note", row.note}});
  for (const PublishedModel& published : found.published)
    models.push_back(published.name);
  return {
      {"experiment", name},         {"paper", found.paper},    {"setup", found.setup}, {"model", model.identity.name},
      {"published_models", models}, {"published_model", same}, {"rows", rows},         {"complete", found.complete}};
}

Status run(const Options& options, const Console& console) {
  const auto& known = experiments();
  const auto chosen =
      std::find_if(known.begin(), known.end(), [&](const NamedExperiment& e) { return options.experiment == e.name; });
  if (chosen == known.end()) {
    std::string names;
    for (const NamedExperiment& experiment : known)
      names += (names.empty() ? "" : ", ") + std::string(experiment.name);
    return make_error(ErrorCode::not_found, "there is no experiment '" + options.experiment + "'; there are " + names,
                      {}, "EXPERIMENT");
  }
  HS_ASSIGN(const auto model, load(options.model, console, true));
  HS_ASSIGN(const Reproduction found, chosen->run(Engine(model), options.how, console));
  finish_progress();
  const bool same = is_published(model->config, found.published);
  if (console.json)
    console.print(to_json(options.experiment, found, *model, same));
  else
    print_text(found, *model, same);
  if (!found.complete) return make_error(ErrorCode::cancelled, "interrupted");
  return {};
}

} // namespace

void add_reproduce(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "reproduce", "Run a published experiment; its numbers beside yours",
                                  "headscope reproduce wu2024 --model smollm2");
  auto options = std::make_shared<Options>();
  command->add_option("EXPERIMENT", options->experiment, "wu2024, gould2023, ioi, merullo2024 or gu2025")->required();
  add_model_options(*command, options->model);
  command->add_flag("--full", options->how.full, "As many prompts as published; takes long");
  command->add_option("--prompts", options->how.prompts, "Prompt pairs of ioi and merullo2024")->check(at_least(1));
  command->add_option("--haystack", options->how.haystack,
                      "A text file or folder to read text from (default: generated from a seed)");
  command
      ->add_option("--also", options->how.also, "A further model, to see what is universal (wu2024); may be repeated")
      ->allow_extra_args(false);
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
