// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/edge_scores.h"

#include <array>
#include <limits>

#include "core/circuits/exact_scores.h"
#include "core/circuits/gradient_scores.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

Status check_options(const CircuitTask& task, const ScoreOptions& options) {
  if (options.steps <= 0) return make_error(ErrorCode::invalid_argument, "must be positive", {}, "steps");
  if (options.method == ScoreMethod::exact) return {};
  HS_TRY(check_has_gradient(task.metric, "use the method exact or another metric, e.g. logit_diff"));
  const bool between = options.method == ScoreMethod::eap_ig_inputs || options.method == ScoreMethod::clean_corrupted;
  if (between && task.ablation != EdgeAblation::patch)
    return make_error(ErrorCode::invalid_argument,
                      std::string(to_string(options.method)) + " needs corrupt inputs, so it does not go with " +
                          to_string(task.ablation) + "; use patch, or the method eap, eap_ig_activations or exact",
                      {}, "ablation");
  return {};
}

} // namespace

Result<GraphScores> score_edges(const Engine& engine, const ComputationalGraph& graph, const CircuitTask& task,
                                const ScoreOptions& options, const RunControl& context) {
  return guarded("scoring edges", [&]() -> Result<GraphScores> {
    HS_TRY(check_task(engine, task));
    HS_TRY(check_options(task, options));
    constexpr double unmeasured = std::numeric_limits<double>::quiet_NaN();
    GraphScores out;
    out.edges.assign(static_cast<std::size_t>(graph.edge_count()), unmeasured);
    out.nodes.assign(graph.senders().size(), unmeasured);
    out.clean.assign(task.pairs.size(), unmeasured);
    const Status status = options.method == ScoreMethod::exact
                              ? score_exactly(engine, graph, task, context, out)
                              : score_by_gradients(engine, graph, task, options, context, out);
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    out.complete = status.ok();
    return out;
  });
}

} // namespace headscope
