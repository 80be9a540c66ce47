// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/reproduce/reproduce.h"

#include <algorithm>

#include "app/methods/base/values.h"
#include "app/methods/detect/detect_run.h"
#include "app/methods/reproduce/reproduce_runs.h"

namespace headscope::methods {
namespace {

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

std::string text_of(const Reproduction& found, const Model& model, bool same) {
  std::string text = printed("%s\n%s\nPublished of %s; measured on %s", found.paper.c_str(), found.setup.c_str(),
                             models_text(found.published).c_str(), model.identity.name.c_str());
  text += same ? ".\n" : ", which is another model: the numbers need not agree.\n";
  std::vector<std::vector<std::string>> lines = {{"", "published", "measured", ""}};
  for (const ReproducedRow& row : found.rows)
    lines.push_back({row.what, row.published.empty() ? "-" : row.published, measured_text(row.measured), row.note});
  return text + aligned(lines);
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

std::string experiment_names() {
  std::string names;
  for (const NamedExperiment& experiment : experiments())
    names += (names.empty() ? "" : ", ") + std::string(experiment.name);
  return names;
}

Result<NamedExperiment> find_experiment(const std::string& name) {
  const auto& known = experiments();
  const auto chosen =
      std::find_if(known.begin(), known.end(), [&](const NamedExperiment& e) { return name == e.name; });
  if (chosen != known.end()) return *chosen;
  return make_error(ErrorCode::not_found, "there is no experiment '" + name + "'; there are " + experiment_names(), {},
                    "EXPERIMENT");
}

class Reproduce : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "reproduce",
                                    .summary = "Run a published experiment; its numbers beside yours",
                                    .example = "headscope reproduce wu2024 --model smollm2",
                                    .output = Output::none};
    return info;
  }

  void options(OptionList& list) override {
    list.add("EXPERIMENT", experiment_, experiment_names()).without_flag().must();
    list.add("full", how_.full, "As many prompts as published; takes long");
    list.add("prompts", how_.prompts, "Prompt pairs of ioi and merullo2024; default: 24, with --full 100 and 1000")
        .in("pair")
        .at_least(1);
    list.add("haystack", how_.haystack, "A text file or folder to read text from (default: generated from a seed)")
        .reads_file();
    list.add("also", how_.also, "A further model, to see what is universal (wu2024); may be repeated");
  }

  Status check_options() override {
    HS_TRY(find_experiment(experiment_));
    return check_haystack(how_.haystack);
  }

  Result<Report> run(const Work& work) override {
    HS_ASSIGN(const NamedExperiment chosen, find_experiment(experiment_));
    note_refused_plugins(work.context);
    HS_ASSIGN(const Reproduction found, chosen.run(work.engine, how_, work.context));
    const Model& model = work.engine.model();
    const bool same = is_published(model.config, found.published);
    return Report{to_json(experiment_, found, model, same), text_of(found, model, same), found.complete};
  }

private:
  std::string experiment_;
  ReproduceOptions how_;
};

} // namespace

std::unique_ptr<Method> make_reproduce() { return std::make_unique<Reproduce>(); }

} // namespace headscope::methods
