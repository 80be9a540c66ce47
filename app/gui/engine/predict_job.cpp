// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/predict_job.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "app/gui/engine/ablation_interventions.h"
#include "app/gui/engine/attention_plan.h"
#include "core/analysis/leading_space.h"
#include "core/model/guard.h"
#include "core/scoring/metric.h"

namespace headscope::gui {
namespace {

struct Runs {
  at::Tensor clean, ablated; // logits after the last token [d_vocab]
  bool cached = false;
};

Result<at::Tensor> run_from(const Engine& engine, const std::vector<std::int64_t>& tokens, std::vector<RowGroup> rows,
                            std::vector<Intervention> interventions, const RunControl& control) {
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.rows = std::move(rows);
  request.interventions = std::move(interventions);
  request.until = LogitRows::last;
  request.cancel = control.cancel;
  HS_ASSIGN(const RunResult run, engine.run(request));
  return run.logits[0];
}

Result<Runs> run_both(EngineState& state, const PredictRequest& request, const RunControl& control);

// The prediction of the same ablation under full attention and under the plan, as clean and ablated.
Result<Runs> run_both_plans(EngineState& state, const PredictRequest& request, const RunControl& control) {
  PredictRequest one = request;
  one.against_full = false;
  HS_ASSIGN(Runs planned, run_both(state, one, control));
  const std::shared_ptr<void> full = under_plan(state, {});
  HS_ASSIGN(const Runs before, run_both(state, one, control));
  return Runs{before.ablated, planned.ablated, before.cached};
}

Result<Runs> run_both(EngineState& state, const PredictRequest& request, const RunControl& control) {
  if (request.against_full) return run_both_plans(state, request, control);
  HS_ASSIGN(const auto engine, open_engine(state));
  HS_ASSIGN(auto interventions, prompt_interventions(state, request.tokens, request.ablation, control));
  Runs runs;
  if (request.tokens.size() > longest_clean_run) {
    // From where the last look at a map of this prompt ended.
    std::vector<RowGroup> start;
    if (state.long_run && state.long_run->tokens == request.tokens && state.long_run->layer < engine->config().n_layers)
      start = {RowGroup::from_residual(state.long_run->layer, state.long_run->resid_pre)};
    HS_ASSIGN(runs.clean, run_from(*engine, request.tokens, std::move(start), {}, control));
    runs.ablated = runs.clean;
    if (interventions.empty()) return runs;
    HS_ASSIGN(runs.ablated, run_from(*engine, request.tokens, {}, std::move(interventions), control));
    return runs;
  }
  runs.cached = state.clean && state.clean->tokens == request.tokens;
  HS_ASSIGN(const CleanRun* clean, clean_run(state, request.tokens, control.cancel));
  runs.clean = clean->logits;
  runs.ablated = runs.clean;
  if (interventions.empty()) return runs;
  int first = engine->config().n_layers;
  for (const Intervention& intervention : interventions)
    first = std::min(first, intervention.site.layer);
  const RowGroup start = RowGroup::from_residual(first, clean->resid_pre[static_cast<std::size_t>(first)]);
  HS_ASSIGN(runs.ablated, run_from(*engine, request.tokens, {start}, std::move(interventions), control));
  return runs;
}

Result<std::int64_t> chosen_or(const Engine& engine, const std::string& text, std::int64_t standard) {
  if (text.empty()) return standard;
  return answer_token(*engine.model().tokenizer, text);
}

Result<double> metric(MetricKind kind, const at::Tensor& logits, const Answers& answers, const at::Tensor& reference) {
  const std::vector<Answers> rows = {answers};
  HS_ASSIGN(const at::Tensor values, metric_values(kind, logits.unsqueeze(0), rows, reference.unsqueeze(0)));
  return values.item<double>();
}

std::vector<PredictedToken> strongest(const Engine& engine, const Runs& runs, int count) {
  const at::Tensor clean = runs.clean.to(at::kCPU, at::kDouble).softmax(-1),
                   ablated = runs.ablated.to(at::kCPU, at::kDouble).softmax(-1);
  const at::Tensor order = std::get<1>(at::maximum(clean, ablated).topk(std::min<std::int64_t>(count, clean.size(0))));
  std::vector<PredictedToken> top;
  for (std::int64_t i = 0; i < order.size(0); ++i) {
    const std::int64_t id = order[i].item<std::int64_t>();
    top.push_back({token_info(*engine.model().tokenizer, id), clean[id].item<double>(), ablated[id].item<double>()});
  }
  return top;
}

} // namespace

Result<Prediction> predict(EngineState& state, const PredictRequest& request, const RunControl& control) {
  return guarded("predicting the next token", [&]() -> Result<Prediction> {
    HS_ASSIGN(const auto engine, open_engine(state));
    if (request.tokens.empty()) return make_error(ErrorCode::invalid_argument, "the prompt is empty; type something");
    HS_ASSIGN(const Runs runs, run_both(state, request, control));
    Prediction prediction;
    prediction.cached = runs.cached;
    prediction.top = strongest(*engine, runs, request.top);
    const at::Tensor best = std::get<1>(runs.clean.to(at::kCPU).topk(2));
    HS_ASSIGN(const std::int64_t answer, chosen_or(*engine, request.answer, best[0].item<std::int64_t>()));
    HS_ASSIGN(const std::int64_t wrong, chosen_or(*engine, request.wrong, best[1].item<std::int64_t>()));
    prediction.answer = token_info(*engine->model().tokenizer, answer);
    prediction.wrong = token_info(*engine->model().tokenizer, wrong);
    std::vector<UnspacedAnswer> unspaced;
    note_unspaced(*engine->model().tokenizer, 0, request.answer, answer, unspaced);
    note_unspaced(*engine->model().tokenizer, 0, request.wrong, wrong, unspaced);
    HS_ASSIGN(prediction.note, leading_space_warning(runs.clean, unspaced));
    const at::Tensor probabilities = runs.clean.to(at::kCPU, at::kDouble).softmax(-1);
    for (const UnspacedAnswer& each : unspaced)
      if (probabilities[each.spaced].item<double>() > probabilities[each.given].item<double>())
        (each.given == answer && each.text == request.answer ? prediction.meant_answer : prediction.meant_wrong) =
            ' ' + each.text;
    const Answers pair{{answer}, {wrong}};
    HS_ASSIGN(prediction.clean_diff, metric(MetricKind::logit_diff, runs.clean, pair, runs.clean));
    HS_ASSIGN(prediction.ablated_diff, metric(MetricKind::logit_diff, runs.ablated, pair, runs.clean));
    HS_ASSIGN(prediction.kl, metric(MetricKind::kl_divergence, runs.ablated, pair, runs.clean));
    return prediction;
  });
}

} // namespace headscope::gui
