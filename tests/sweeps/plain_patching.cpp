// SPDX-License-Identifier: GPL-3.0-or-later
// Activation patching without batching and restarting: every cell is one run over the whole prompt.
#include "tests/sweeps/plain_sweeps.h"

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/sweeps/patch_plan.h"

namespace headscope {
namespace {

RunRequest request_for(const std::vector<std::int64_t>& tokens, const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.until = LogitRows::last;
  request.cancel = cancel;
  return request;
}

Status patch_pair(const Engine& engine, const PatchPlan& plan, MetricKind metric, std::size_t pair,
                  const CancelToken& cancel, PatchingResult& result) {
  Judge judge{metric, {plan.answers[pair]}, {}};
  HS_ASSIGN(const RunResult clean, engine.run(request_for(plan.clean[pair], cancel)));
  HS_ASSIGN(const RunResult corrupt, engine.run(request_for(plan.corrupt[pair], cancel)));
  judge.reference = clean.logits;
  HS_ASSIGN(const auto of_clean, judge.values(clean.logits, {0}));
  HS_ASSIGN(const auto of_corrupt, judge.values(corrupt.logits, {0}));
  result.clean[pair] = of_clean.front();
  result.corrupt[pair] = of_corrupt.front();
  for (const int layer : plan.layers) {
    RunRequest source = request_for(plan.source()[pair], cancel);
    source.capture = {{plan.site, layer}};
    HS_ASSIGN(const RunResult captured, engine.run(source));
    HS_ASSIGN(const at::Tensor activation, captured.cache.get({plan.site, layer}));
    for (const PatchCell& cell : plan.cells(static_cast<std::int64_t>(plan.clean[pair].size()))) {
      RunRequest patched = request_for(plan.destination()[pair], cancel);
      patched.interventions = {plan.intervention(layer, cell, activation.select(0, 0))};
      HS_ASSIGN(const RunResult run, engine.run(patched));
      HS_ASSIGN(const auto value, judge.values(run.logits, {0}));
      keep_patched(result, static_cast<std::int64_t>(pair), layer, cell, value.front());
    }
  }
  return {};
}

} // namespace

Result<PatchingResult> patch_activations_plainly(const Engine& engine, const std::vector<PatchPair>& pairs,
                                                 const PatchingOptions& options, const RunControl& control) {
  return guarded("patching activations", [&]() -> Result<PatchingResult> {
    HS_ASSIGN(const PatchPlan plan, plan_patching(engine, pairs, options));
    PatchingResult result = empty_result(engine, plan);
    Status status;
    for (std::size_t pair = 0; pair < pairs.size() && status.ok(); ++pair) {
      status = patch_pair(engine, plan, options.metric, pair, control.cancel, result);
      control.report("patching activations", static_cast<std::int64_t>(pair) + 1, result.n_pairs);
    }
    if (status.ok() && !options.part_of_batch) status = check_difference(result);
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    result.complete = status.ok();
    return result;
  });
}

} // namespace headscope
