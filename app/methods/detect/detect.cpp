// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/detect/detect.h"

#include "app/methods/base/values.h"
#include "core/base/plain_text.h"
#include "plugins/host/plugin_host.h"

namespace headscope::methods {
namespace {

std::string default_text(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "on" : "off";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return nlohmann::json(std::get<double>(value)).dump();
}

nlohmann::json to_json(const Detector& detector) {
  nlohmann::json options = nlohmann::json::array();
  for (const OptionSpec& spec : detector.options())
    options.push_back({{"name", spec.name},
                       {"default", default_text(spec.standard)},
                       {"help", spec.help},
                       {"allowed", spec.allowed}});
  return {{"id", detector.id()},
          {"title", detector.title()},
          {"description", detector.description()},
          {"reference", detector.reference()},
          {"options", options}};
}

std::string text_of(const Detector& detector) {
  std::vector<std::vector<std::string>> lines;
  for (const OptionSpec& spec : detector.options())
    lines.push_back({"  " + detector.id() + "." + spec.name, default_text(spec.standard), spec.help});
  return printed("%s: %s\n  %s.\n  After %s\n%s\n", plain_text(detector.id()).c_str(),
                 plain_text(detector.title()).c_str(), plain_text(detector.description()).c_str(),
                 plain_text(detector.reference()).c_str(), aligned(lines).c_str());
}

class Detect : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "detect",
                                    .summary = "Find out what attention heads do",
                                    .example = "headscope detect --model smollm2 --detectors induction,sink "
                                               "--out heads.h5",
                                    .needs_tokenizer = false,
                                    .model_may_be_missing = true};
    return info;
  }

  void options(OptionList& list) override {
    list_detect_options(list, options_);
    list.add("list", list_, "List the detectors and their options")
        .unrecorded()
        .only(Offered::command_line, "an experiment runs detectors");
  }

  Status check_options() override {
    if (list_) return {};
    HS_TRY(check_haystack(options_.haystack));
    HS_ASSIGN(plan_, plan_detectors(options_));
    return {};
  }

  void place_files(const std::function<std::string(const std::string&)>& where) override {
    place_option_files(options_, where);
  }

  std::optional<Report> answer_alone() override {
    if (!list_) return std::nullopt;
    Report report{nlohmann::json::array(), {}};
    const auto host = plugin::PluginHost::load();
    for (const auto& detector : host.detectors()) {
      report.json.push_back(to_json(*detector));
      report.text += text_of(*detector);
    }
    return report;
  }

  std::vector<std::int64_t> seeds() const override { return seeds_of(plan_); }

  Result<Report> run(const Work& work) override {
    note_refused_plugins(work.context);
    HS_ASSIGN(const DetectorOutcomes outcomes,
              run_detectors(plan_, work.engine, options_.haystack, work.context, work.writer));
    Report report{methods::to_json(outcomes), strongest_heads(outcomes, 8), outcomes.complete};
    report.failed = outcomes.failed; // what the others found is in the file
    report.refused = outcomes.refused;
    return report;
  }

  std::unique_ptr<Cells> cells() override { return make_detect_cells(options_); }

private:
  DetectOptions options_;
  bool list_ = false;
  std::vector<DetectorPlan> plan_; // of these options, once they are checked
};

} // namespace

std::unique_ptr<Method> make_detect() { return std::make_unique<Detect>(); }

} // namespace headscope::methods
