// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "app/experiments/bound.h"
#include "app/experiments/run_experiment.h"
#include "app/methods/base/speed.h"
#include "app/methods/base/values.h"
#include "core/prompts/tasks/task.h"

namespace headscope::experiments {
namespace {

// The rows of the tasks' prompts.
TokenRows timed_rows(const BoundExperiment& bound) {
  TokenRows rows;
  for (const auto& [name, task] : bound.tasks)
    for (std::size_t i = 0; i < std::min<std::size_t>(8, task.cases.size()); ++i)
      rows.push_back(task.cases[i].tokens.clean);
  if (rows.empty()) rows.assign(8, std::vector<std::int64_t>(16, 1));
  return rows;
}

// Estimates memory: weights, and for one run the residual, what attention and MLP hold, and a copy of the logits.
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

// The cost of the steps on one model, with the time of a forward pass there.
struct Estimate {
  methods::Cost cost;
  double seconds = 0, seconds_per_token = 0, memory = 0;
};

Result<Estimate> estimate(const BoundExperiment& bound, nlohmann::json& steps,
                          std::vector<std::vector<std::string>>& lines) {
  Estimate out;
  HS_ASSIGN(out.seconds_per_token, methods::seconds_per_token(*bound.engine, timed_rows(bound), {}));
  for (const Part& part : bound.parts) {
    if (part.model != bound.model) continue;
    const Step& step = bound.step_of(part);
    const methods::Cost cost = step.cells->cost();
    const double seconds = cost.tokens * out.seconds_per_token;
    steps.push_back({{"name", part.name},
                     {"method", step.id()},
                     {"task", step.task},
                     {"cells", part.cells()},
                     {"forwards", cost.forwards},
                     {"seconds", seconds}});
    if (bound.several()) steps.back()["model"] = bound.spec.models[part.model].name;
    lines.push_back({part.name, step.id(), std::to_string(part.cells()), methods::fixed(cost.forwards, 0),
                     methods::fixed(seconds, 1)});
    out.cost.forwards += cost.forwards;
    out.cost.tokens += cost.tokens;
    out.cost.most_tokens = std::max(out.cost.most_tokens, cost.most_tokens);
  }
  out.seconds = out.cost.tokens * out.seconds_per_token;
  out.memory = memory_of(bound, out.cost.most_tokens);
  return out;
}

} // namespace

Status dry_run(Experiment experiment, const methods::Context& context, const methods::Show& show) {
  HS_ASSIGN(const Ranks ranks, Ranks::join());
  HS_ASSIGN(BoundExperiment bound, bind_experiment(std::move(experiment), ranks, context));
  nlohmann::json steps = nlohmann::json::array();
  std::vector<std::vector<std::string>> lines = {{"step", "method", "cells", "forwards", "seconds"}};
  Estimate all; // memory is that of the largest model: one is there at a time
  for (std::size_t m = 0; m < bound.spec.models.size(); ++m) {
    HS_TRY(bound.open(m, context));
    HS_ASSIGN(const Estimate one, estimate(bound, steps, lines));
    all.cost.forwards += one.cost.forwards;
    all.seconds += one.seconds;
    all.seconds_per_token += one.seconds_per_token / static_cast<double>(bound.spec.models.size());
    all.memory = std::max(all.memory, one.memory);
  }
  if (ranks.rank() != 0) return {};
  methods::Report report;
  report.json = {{"dry_run", true},
                 {"name", bound.spec.name},
                 {"cells", bound.cells()},
                 {"forwards", all.cost.forwards},
                 {"memory_bytes", all.memory},
                 {"seconds", all.seconds},
                 {"processes", ranks.size()},
                 {"seconds_per_token", all.seconds_per_token},
                 {"steps", std::move(steps)}};
  report.text =
      methods::aligned(lines) +
      methods::printed("%lld cells, about %.0f forward passes, %.1f GB and %.0f s of one process here\n",
                       static_cast<long long>(bound.cells()), all.cost.forwards, all.memory / 1e9, all.seconds);
  show(report);
  return {};
}

} // namespace headscope::experiments
