// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "app/experiments/bound.h"
#include "app/experiments/run_experiment.h"
#include "app/methods/base/speed.h"
#include "app/methods/base/values.h"
#include "core/prompts/tasks/task.h"

namespace headscope::experiments {
namespace {

// Rows of the tasks' prompts.
TokenRows timed_rows(const BoundExperiment& bound) {
  TokenRows rows;
  for (const auto& [name, task] : bound.tasks)
    for (std::size_t i = 0; i < std::min<std::size_t>(8, task.cases.size()); ++i)
      rows.push_back(task.cases[i].tokens.clean);
  if (rows.empty()) rows.assign(8, std::vector<std::int64_t>(16, 1));
  return rows;
}

// Weights, and of one run at once the residual, what attention and MLP hold, and a copy of the logits.
double memory_of(const BoundExperiment& bound, double most_tokens) {
  const ModelConfig& config = bound.engine->config();
  const auto of = [](std::int64_t n) { return static_cast<double>(n); };
  const double block = of(config.d_mlp) + of(config.d_mlp) + of(config.d_model) +
                       of(config.d_head) * (of(config.n_heads) + 2 * of(config.n_kv_heads));
  const double weights =
      of(config.n_layers) * of(config.d_model) *
          (3 * of(config.d_mlp) + 2 * of(config.d_head) * (of(config.n_heads) + of(config.n_kv_heads))) +
      of(config.d_vocab) * of(config.d_model);
  return 4.0 * (weights + most_tokens * (of(config.d_model) + block));
}

} // namespace

Status dry_run(Experiment experiment, const methods::Context& context, const methods::Show& show) {
  HS_ASSIGN(const Ranks ranks, Ranks::join());
  HS_ASSIGN(const BoundExperiment bound, bind_experiment(std::move(experiment), ranks, context));
  HS_ASSIGN(const double seconds_per_token, methods::seconds_per_token(*bound.engine, timed_rows(bound), {}));
  if (ranks.rank() != 0) return {};
  nlohmann::json steps = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"step", "method", "cells", "forwards", "seconds"}};
  methods::Cost all;
  for (const auto& step : bound.spec.steps) {
    const methods::Cost cost = step->cells->cost();
    const double seconds = cost.tokens * seconds_per_token;
    steps.push_back({{"name", step->name},
                     {"method", step->id()},
                     {"task", step->task},
                     {"cells", step->cells->count()},
                     {"forwards", cost.forwards},
                     {"seconds", seconds}});
    lines.push_back({step->name, step->id(), std::to_string(step->cells->count()), methods::fixed(cost.forwards, 0),
                     methods::fixed(seconds, 1)});
    all = {all.forwards + cost.forwards, all.tokens + cost.tokens, std::max(all.most_tokens, cost.most_tokens)};
  }
  const double memory = memory_of(bound, all.most_tokens), seconds = all.tokens * seconds_per_token;
  methods::Report report;
  report.json = {{"dry_run", true},           {"name", bound.spec.name},
                 {"cells", bound.cells()},    {"forwards", all.forwards},
                 {"memory_bytes", memory},    {"seconds", seconds},
                 {"processes", ranks.size()}, {"seconds_per_token", seconds_per_token},
                 {"steps", std::move(steps)}};
  report.text = methods::aligned(lines) +
                methods::printed("%lld cells, about %.0f forward passes, %.1f GB and %.0f s of one process here\n",
                                 static_cast<long long>(bound.cells()), all.forwards, memory / 1e9, seconds);
  show(report);
  return {};
}

} // namespace headscope::experiments
