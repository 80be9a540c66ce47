// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/sink_calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/model/guard.h"

namespace headscope {
namespace {

Intervention calibration(HeadId head, const MaskPrompt& task, const SinkCalibrationOptions& options) {
  Intervention out;
  out.site = {HookPoint::pattern, head.layer};
  out.kind = InterventionKind::redistribute;
  out.head = head.head;
  out.factor = options.beta;
  const auto length = std::ssize(task.prompt) + std::ssize(task.continuation) - 1;
  out.sink_threshold = options.theta > 0.0 ? options.theta : 5.0 / static_cast<double>(length);
  return out;
}

// The mean scores over tasks [begin, end), one for each set of calibrated heads.
Result<std::vector<double>> mean_scores(const Engine& engine, const std::vector<MaskPrompt>& tasks, std::size_t begin,
                                        std::size_t end, const std::vector<std::vector<HeadId>>& sets,
                                        const SinkCalibrationOptions& options, const RunControl& context) {
  std::vector<double> means(sets.size(), 0.0);
  for (std::size_t i = begin; i < end; ++i) {
    context.report("calibrating sinks", static_cast<std::int64_t>(i), std::ssize(tasks));
    std::vector<Interventions> variants;
    for (const auto& heads : sets) {
      variants.emplace_back();
      for (const HeadId head : heads)
        variants.back().push_back(calibration(head, tasks[i], options));
    }
    HS_ASSIGN(const auto scores,
              log_prob_variants(engine, tasks[i], variants, Phase::both, options.tokens_per_run, context.cancel));
    for (std::size_t s = 0; s < sets.size(); ++s)
      means[s] += scores[s] / static_cast<double>(end - begin);
  }
  return means;
}

Result<SinkCalibration> search(const Engine& engine, const std::vector<MaskPrompt>& tasks,
                               const SinkCalibrationOptions& options, const RunControl& context) {
  const ModelConfig& config = engine.config();
  SinkCalibration out;
  out.n_layers = config.n_layers;
  out.n_heads = config.n_heads;
  out.effects.assign(static_cast<std::size_t>(config.n_layers * config.n_heads),
                     std::numeric_limits<double>::quiet_NaN());
  std::vector<std::vector<HeadId>> sets = {{}};
  for (int layer = options.first_layer; layer < static_cast<int>(config.n_layers) - options.skip_last; ++layer)
    for (std::int64_t head = 0; head < config.n_heads; ++head)
      sets.push_back({{layer, head}});
  const auto count = std::clamp<std::size_t>(
      static_cast<std::size_t>(std::lround(options.search * static_cast<double>(tasks.size()))), 1, tasks.size() - 1);
  HS_ASSIGN(const auto scores, mean_scores(engine, tasks, 0, count, sets, options, context));
  out.clean_search = scores[0];
  const auto effect = [&](HeadId head) -> double& {
    return out.effects[static_cast<std::size_t>(head.layer * config.n_heads + head.head)];
  };
  for (std::size_t s = 1; s < sets.size(); ++s) {
    effect(sets[s][0]) = scores[s] - scores[0];
    if (scores[s] > scores[0]) out.chosen.push_back(sets[s][0]);
  }
  std::stable_sort(out.chosen.begin(), out.chosen.end(), [&](HeadId a, HeadId b) { return effect(a) > effect(b); });
  HS_ASSIGN(const auto held, mean_scores(engine, tasks, count, tasks.size(), {{}, out.chosen}, options, context));
  context.report("calibrating sinks", std::ssize(tasks), std::ssize(tasks));
  out.clean = held[0];
  out.calibrated = held[1];
  out.complete = true;
  return out;
}

} // namespace

Result<SinkCalibration> calibrate_sinks(const Engine& engine, const std::vector<MaskPrompt>& tasks,
                                        const SinkCalibrationOptions& options, const RunControl& task) {
  if (tasks.size() < 2)
    return make_error(ErrorCode::invalid_argument, "at least two tasks are needed, one of them held out", {}, "tasks");
  if (!(options.beta >= 0.0) || !(options.theta >= 0.0))
    return make_error(ErrorCode::invalid_argument, "must not be negative", {}, options.beta >= 0.0 ? "theta" : "beta");
  for (const MaskPrompt& one : tasks)
    if (one.judge != MaskJudge::log_prob)
      return make_error(ErrorCode::invalid_argument, one.id + " is not judged by log-probability", {}, "tasks");
  return guarded("calibrating sinks", [&] { return search(engine, tasks, options, task); });
}

} // namespace headscope
