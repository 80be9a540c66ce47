// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/calibrate/calibrate.h"

#include <algorithm>

#include "app/methods/base/values.h"
#include "app/methods/mask/mask_run.h"
#include "core/sweeps/sink_calibration.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

struct CalibrateOptions {
  MaskTaskOptions tasks;
  std::string theta = "0.1";
  SinkCalibrationOptions how;
};

Result<double> threshold(const std::string& text) {
  if (text == "5/T") return 0.0;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0.0))
    return make_error(ErrorCode::invalid_argument, "must be a positive number or 5/T, not '" + text + "'", {},
                      "--theta");
  return value;
}

nlohmann::json to_json(const SinkCalibration& found, const MaskSet& set) {
  nlohmann::json heads = nlohmann::json::array();
  for (const HeadId& head : found.chosen)
    heads.push_back(head_name(head));
  return {{"task", set.task},
          {"metric", set.metric},
          {"effects",
           matrix(found.effects, static_cast<std::size_t>(found.n_layers), static_cast<std::size_t>(found.n_heads))},
          {"heads", heads},
          {"clean", number(found.clean)},
          {"calibrated", number(found.calibrated)},
          {"complete", found.complete}};
}

Status store_calibration(store::ResultWriter& writer, const MaskSet& set, const SinkCalibration& found) {
  const std::string group = "/calibration/" + set.task;
  HS_TRY(writer.set_attributes(group, {{"metric", set.metric},
                                       {"clean", found.clean},
                                       {"calibrated", found.calibrated},
                                       {"clean_search", found.clean_search}}));
  store::ArraySpec spec;
  spec.dtype = store::DType::float64;
  spec.axes = {{"layer", {}}, {"head", {}}};
  spec.shape = {found.n_layers, found.n_heads};
  spec.units = set.units;
  spec.long_name = set.metric + " with the head's later sinks calibrated, minus without";
  HS_TRY(writer.add_array(group + "/effects", spec, std::span<const double>(found.effects)));
  std::vector<std::string> heads;
  for (const HeadId& head : found.chosen)
    heads.push_back(head_name(head));
  return writer.add_strings(group + "/heads", {"rank", {}}, heads, "heads that gain, strongest first");
}

std::string text_of(const SinkCalibration& found, const MaskSet& set) {
  std::string text = printed("%s, on tasks that were held out: %s, with %zu heads calibrated %s\n", set.metric.c_str(),
                             fixed(found.clean, 4).c_str(), found.chosen.size(), fixed(found.calibrated, 4).c_str());
  for (std::size_t i = 0; i < std::min<std::size_t>(10, found.chosen.size()); ++i)
    text.append(i ? " " : "").append(head_name(found.chosen[i]));
  return text + "\n";
}

class Calibrate : public Method {
public:
  Calibrate() { options_.tasks.names = "ioi"; }

  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "calibrate",
                                    .summary = "Find heads that gain when attention is taken off later sinks (ACT)",
                                    .example = "headscope calibrate --model smollm2 --task ioi"};
    return info;
  }

  void options(OptionList& list) override {
    list.add("task", options_.tasks.names, "repeated, ordinal, ioi or text");
    list.add("count", options_.tasks.count, "Generated tasks, at least 2; 0: 8 or 16").at_least(0);
    list.add("haystack", options_.tasks.haystack, "Text (default: generated from a seed)").reads_file();
    list.add("seed", options_.tasks.seed, "Of the tasks").at_least(0);
    list.add("beta", options_.how.beta, "Factor of the weights on sinks").at_least(0);
    list.add("theta", options_.theta, "Sinks are keys with a_k above this: a number, or 5/T");
    list.add("first_layer", options_.how.first_layer, "First layer that is searched").at_least(0);
    list.add("skip_last", options_.how.skip_last, "Layers at the end that are not searched").at_least(0);
    list.add("search", options_.how.search, "Share of the tasks that heads are chosen on").between(0.0, 1.0);
  }

  Status check_options() override {
    HS_TRY(threshold(options_.theta));
    if (options_.tasks.count == 1)
      return make_error(ErrorCode::invalid_argument,
                        "must be at least 2: heads are chosen on some tasks, and scored on "
                        "others",
                        {}, "--count");
    return check_haystack(options_.tasks.haystack);
  }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.tasks.seed)}; }

  Result<Report> run(const Work& work) override {
    HS_ASSIGN(options_.how.theta, threshold(options_.theta));
    HS_ASSIGN(const auto sets, make_mask_sets(work.engine, options_.tasks));
    if (sets.size() != 1 || sets[0].tasks[0].judge != MaskJudge::log_prob)
      return make_error(ErrorCode::invalid_argument, "must be one of repeated, ordinal, ioi and text", {}, "--task");
    HS_ASSIGN(const SinkCalibration found,
              calibrate_sinks(work.engine, sets[0].tasks, options_.how, work.context.control()));
    if (work.writer) HS_TRY(store_calibration(*work.writer, sets[0], found));
    return Report{to_json(found, sets[0]), text_of(found, sets[0]), found.complete};
  }

private:
  CalibrateOptions options_;
};

} // namespace

std::unique_ptr<Method> make_calibrate() { return std::make_unique<Calibrate>(); }

} // namespace headscope::methods
