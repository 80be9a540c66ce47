// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/detector_job.h"

#include <algorithm>

#include "app/gui/engine/engine_state.h"
#include "app/runs/known_mechanisms.h"
#include "app/runs/result_parts.h"

namespace headscope::gui {
namespace {

Result<OptionSet> options_of(const Detector& detector, const DetectorRequest& request) {
  OptionSet options(detector.options());
  for (const auto& [name, text] : request.options) {
    const Status status = options.set(name, text);
    if (!status.ok()) return make_error(status.error().code, status.error().message, {}, detector.id() + "." + name);
  }
  return options;
}

std::vector<std::int64_t> seeds_of(const std::vector<OptionSet>& all) {
  std::vector<std::int64_t> seeds;
  for (const OptionSet& options : all)
    for (const OptionSpec& spec : options.specs())
      if (spec.name == "seed") seeds.push_back(options.integer(spec.name));
  return seeds;
}

} // namespace

const std::vector<plugin::PluginEntry>& list_plugins() { return loaded_plugins().entries(); }

std::vector<DetectorInfo> list_detectors() {
  std::vector<DetectorInfo> list;
  for (const auto& detector : loaded_plugins().detectors())
    list.push_back(
        {detector->id(), detector->title(), detector->description(), detector->reference(), detector->options()});
  return list;
}

Result<DetectorAnswer> run_detector(EngineState& state, const DetectorRequest& request, const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  HS_ASSIGN(const auto detector, loaded_plugins().detector(request.id));
  HS_ASSIGN(const OptionSet options, options_of(*detector, request));
  HS_TRY(detector->check(*engine));
  HS_ASSIGN(DetectorResult result, detector->run({*engine, options, request.haystack, control}));
  return DetectorAnswer{request, detector->title(), engine->model().identity.sha256(),
                        std::make_shared<const DetectorResult>(std::move(result)), state.plan};
}

namespace {

Status write_all(const SaveRequest& request, const std::function<Status(store::ResultWriter&)>& set_model,
                 const RunControl& control) {
  std::vector<std::shared_ptr<const Detector>> detectors;
  std::vector<OptionSet> options;
  bool complete = true;
  for (const DetectorAnswer& answer : request.answers) {
    if (answer.plan != request.answers.front().plan)
      return make_error(ErrorCode::mismatch, "ran under another attention plan than the others; run it again", {},
                        answer.request.id);
    HS_ASSIGN(auto detector, loaded_plugins().detector(answer.request.id));
    HS_ASSIGN(OptionSet set, options_of(*detector, answer.request));
    detectors.push_back(std::move(detector));
    options.push_back(std::move(set));
    complete = complete && answer.result->complete;
  }
  store::ResultOptions how;
  how.overwrite = request.overwrite;
  const std::string plan = request.answers.empty() ? std::string() : request.answers.front().plan;
  const std::string made_by = plan.empty() ? "headscope-gui" : "headscope-gui: attention " + plan;
  how.provenance = {headscope_version(), libtorch_version(), made_by, seeds_of(options)};
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(request.path, how));
  HS_TRY(set_model(writer));
  for (std::size_t i = 0; i < detectors.size(); ++i) {
    if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "cancelled");
    control.report("writing", static_cast<std::int64_t>(i), static_cast<std::int64_t>(detectors.size()));
    const DetectorAnswer& answer = request.answers[i];
    HS_TRY(write_detector(writer, *detectors[i], options[i], answer.request.haystack, *answer.result));
  }
  return writer.commit(complete);
}

} // namespace

Status write_detectors(const SaveRequest& request, const store::Attributes& model, const RunControl& control) {
  return write_all(
      request, [&](store::ResultWriter& writer) { return writer.set_model(model); }, control);
}

Result<std::string> save_detectors(EngineState& state, const SaveRequest& request, const RunControl& control) {
  HS_ASSIGN(const auto engine, open_engine(state));
  const Model& model = engine->model();
  for (const DetectorAnswer& answer : request.answers)
    if (answer.model_sha256 != model.identity.sha256())
      return make_error(ErrorCode::mismatch, "comes from another model than the one that is open; run it again", {},
                        answer.request.id);
  HS_TRY(write_all(
      request, [&](store::ResultWriter& writer) { return store_model(writer, model, {}); }, control));
  return request.path;
}

} // namespace headscope::gui
