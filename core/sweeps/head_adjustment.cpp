// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/head_adjustment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <ATen/ATen.h>

#include "core/sweeps/matched_heads.h"
#include "core/sweeps/sweep.h"

namespace headscope {
namespace {

constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

Status check_adjustments(const std::vector<HeadAdjustment>& adjustments, const ModelConfig& config) {
  if (adjustments.empty()) return make_error(ErrorCode::invalid_argument, "there is no head to adjust", {}, "heads");
  for (const HeadAdjustment& each : adjustments) {
    const std::string name = head_name(each.head);
    if (each.head.layer < 0 || each.head.layer >= config.n_layers || each.head.head < 0 ||
        each.head.head >= config.n_heads)
      return make_error(ErrorCode::invalid_argument, "the model has no head " + name, {}, "heads");
    if (!std::isfinite(each.scale))
      return make_error(ErrorCode::invalid_argument, "the scale of " + name + " must be a number", {}, "scale");
    if (!(each.share >= 0.0 && each.share <= 1.0))
      return make_error(ErrorCode::invalid_argument, "the steered share of " + name + " must be 0 to 1", {}, "steer");
  }
  return {};
}

Status check_prompts(const std::vector<AdjustmentPrompt>& prompts, const std::vector<HeadAdjustment>& adjustments,
                     const Engine& engine) {
  TokenRows rows;
  std::vector<Answers> answers;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    rows.push_back(prompts[i].tokens);
    answers.push_back(prompts[i].answers);
    for (const HeadAdjustment& each : adjustments) {
      if (each.steer_to.empty()) continue;
      const auto keys = prompts[i].keys.find(each.steer_to);
      if (keys == prompts[i].keys.end() || keys->second.empty())
        return make_error(ErrorCode::invalid_argument,
                          "prompt " + std::to_string(i) + " has no token '" + each.steer_to + "' to steer towards", {},
                          "steer");
      for (const std::int64_t key : keys->second)
        if (key < 0 || key >= static_cast<std::int64_t>(prompts[i].tokens.size()))
          return make_error(ErrorCode::invalid_argument,
                            "prompt " + std::to_string(i) + " has no position " + std::to_string(key), {}, "steer");
    }
  }
  HS_TRY(check_rows(rows, engine, "prompt"));
  return check_answers(MetricKind::accuracy, answers, engine.config().n_logits());
}

void append_interventions(const HeadAdjustment& adjustment, const AdjustmentPrompt& prompt, std::int64_t row,
                          bool all_queries, std::vector<Intervention>& out) {
  Intervention change;
  change.head = adjustment.head.head;
  change.row = row;
  if (!adjustment.steer_to.empty()) {
    Intervention steer = change;
    steer.site = {HookPoint::pattern, adjustment.head.layer};
    steer.kind = InterventionKind::steer;
    steer.keys = prompt.keys.at(adjustment.steer_to);
    steer.factor = adjustment.share;
    if (!all_queries) steer.positions = {static_cast<std::int64_t>(prompt.tokens.size()) - 1};
    out.push_back(std::move(steer));
  }
  if (adjustment.scale != 1.0) {
    change.site = {HookPoint::z, adjustment.head.layer};
    change.kind = InterventionKind::scale;
    change.factor = adjustment.scale;
    out.push_back(std::move(change));
  }
}

// The logits of the last token under the variants [begin, end), side by side [variant, d_vocab].
Result<at::Tensor> logits_of(const Engine& engine, const AdjustmentPrompt& prompt, const AdjustmentResult& result,
                             std::size_t begin, std::size_t end, bool all_queries, const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::pad(TokenRows(end - begin, prompt.tokens), TokenBatch::Side::right);
  request.until = LogitRows::last;
  request.cancel = cancel;
  for (std::size_t variant = begin; variant < end; ++variant)
    for (const HeadAdjustment& each : result.variants[variant])
      append_interventions(each, prompt, static_cast<std::int64_t>(variant - begin), all_queries,
                           request.interventions);
  HS_ASSIGN(const RunResult run, engine.run(request));
  return run.logits;
}

Status measure(const Engine& engine, const AdjustmentPrompt& prompt, std::size_t index,
               const AdjustmentOptions& options, const CancelToken& cancel, AdjustmentResult& result) {
  const auto length = static_cast<std::int64_t>(prompt.tokens.size());
  const auto rows =
      static_cast<std::size_t>(std::max<std::int64_t>(1, tokens_per_run(options.tokens_per_run, engine) / length));
  for (std::size_t begin = 0; begin < result.variants.size(); begin += rows) {
    const std::size_t end = std::min(begin + rows, result.variants.size());
    HS_ASSIGN(const at::Tensor logits, logits_of(engine, prompt, result, begin, end, options.all_queries, cancel));
    const std::vector<Answers> answers(end - begin, prompt.answers);
    at::Tensor difference;
    if (!prompt.answers.wrong.empty()) {
      HS_ASSIGN(difference, metric_values(MetricKind::logit_diff, logits, answers));
    }
    const at::Tensor best = logits.argmax(-1).cpu();
    for (std::size_t variant = begin; variant < end; ++variant) {
      const auto row = static_cast<std::int64_t>(variant - begin);
      const auto token = best[row].item<std::int64_t>();
      const std::size_t at = result.index(variant, index);
      const auto& right = prompt.answers.answer;
      result.predicted[at] = token;
      result.accuracy[at] = std::find(right.begin(), right.end(), token) != right.end() ? 1.0 : 0.0;
      if (difference.defined()) result.logit_diff[at] = difference[row].item<double>();
    }
  }
  return {};
}

// The mean of one variant over the prompts; values: [variant, prompt].
double mean_of(const AdjustmentResult& result, const std::vector<double>& values, std::size_t variant) {
  const auto at = [&](std::size_t each) { return values.begin() + static_cast<std::ptrdiff_t>(result.index(each, 0)); };
  return mean_over_first_axis({at(variant), at(variant + 1)}, result.n_prompts, 1).front();
}

} // namespace

double AdjustmentResult::mean_logit_diff(std::size_t variant) const { return mean_of(*this, logit_diff, variant); }

double AdjustmentResult::mean_accuracy(std::size_t variant) const { return mean_of(*this, accuracy, variant); }

std::vector<std::vector<HeadAdjustment>> adjustment_variants(const std::vector<HeadAdjustment>& adjustments,
                                                             const AdjustmentOptions& options,
                                                             const ModelConfig& config) {
  std::vector<std::vector<HeadAdjustment>> out = {{}, adjustments};
  std::set<HeadId> distinct;
  for (const HeadAdjustment& each : adjustments)
    distinct.insert(each.head);
  const std::vector<HeadId> heads(distinct.begin(), distinct.end());
  const auto count = static_cast<std::int64_t>(heads.size());
  for (std::int64_t i = 0; i < options.seeds; ++i) {
    const MatchedHeads drawn =
        matched_random_heads(heads, count, count, config, options.seed + static_cast<std::uint64_t>(i));
    std::vector<HeadAdjustment> control;
    for (HeadAdjustment each : adjustments) {
      const auto place =
          static_cast<std::size_t>(std::lower_bound(heads.begin(), heads.end(), each.head) - heads.begin());
      if (place >= drawn.heads.size()) continue; // the model has no more heads
      each.head = drawn.heads[place];
      control.push_back(std::move(each));
    }
    out.push_back(std::move(control));
  }
  return out;
}

Result<AdjustmentResult> adjust_heads(const Engine& engine, const std::vector<AdjustmentPrompt>& prompts,
                                      const std::vector<HeadAdjustment>& adjustments, const AdjustmentOptions& options,
                                      const RunControl& control) {
  HS_TRY(check_adjustments(adjustments, engine.config()));
  HS_TRY(check_prompts(prompts, adjustments, engine));
  if (options.seeds < 0 || options.tokens_per_run < 0)
    return make_error(ErrorCode::invalid_argument, "seeds and tokens_per_run must not be negative", {}, "options");
  AdjustmentResult result;
  result.variants = adjustment_variants(adjustments, options, engine.config());
  result.n_prompts = static_cast<std::int64_t>(prompts.size());
  const std::size_t cells = result.variants.size() * prompts.size();
  result.logit_diff.assign(cells, not_measured);
  result.accuracy.assign(cells, not_measured);
  result.predicted.assign(cells, -1);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    control.report("adjusting heads", static_cast<std::int64_t>(i), result.n_prompts);
    const Status status = measure(engine, prompts[i], i, options, control.cancel, result);
    if (!status.ok() && was_cancelled(status.error())) return result;
    HS_TRY(status);
  }
  result.complete = true;
  return result;
}

} // namespace headscope
