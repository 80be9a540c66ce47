// SPDX-License-Identifier: GPL-3.0-or-later
// Head ablation without batching and restarting, and with a KV cache where phases differ: slow, but simple enough to be
// trusted.
#include "tests/sweeps/plain_sweeps.h"

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/sweeps/ablation_plan.h"
#include "core/sweeps/ablation_source.h"

namespace headscope {
namespace {

// The logits after the prompt, run token for token as the phase asks.
Result<at::Tensor> run_prompt(const Engine& engine, const std::vector<std::int64_t>& tokens, Phase phase,
                              const std::vector<Intervention>& interventions, const CancelToken& cancel) {
  RunRequest request;
  request.until = LogitRows::last;
  request.interventions = interventions;
  request.cancel = cancel;
  KvCache cache;
  request.batch = TokenBatch::single(tokens);
  if (phase != Phase::both) {
    request.past = KvPast::append_to(cache, std::ssize(tokens));
    request.batch = TokenBatch::single({tokens.begin(), tokens.end() - 1});
    HS_TRY(engine.run(request));
    request.batch = TokenBatch::single({tokens.back()});
  }
  HS_ASSIGN(const RunResult result, engine.run(request));
  return result.logits;
}

// z of one prompt at one layer, [pos, head_index, d_head].
Result<at::Tensor> z_of(const Engine& engine, const std::vector<std::int64_t>& tokens, int layer,
                        const CancelToken& cancel) {
  RunRequest request;
  request.batch = TokenBatch::single(tokens);
  request.capture = {{HookPoint::z, layer}};
  request.until = LogitRows::none;
  request.cancel = cancel;
  HS_ASSIGN(const RunResult result, engine.run(request));
  HS_ASSIGN(const at::Tensor z, result.cache.get({HookPoint::z, layer}));
  return z.select(0, 0);
}

// Mean over prompts [pos, d_head], or over positions too [d_head].
Result<at::Tensor> mean_z(const Engine& engine, const TokenRows& reference, HeadId head, bool by_position,
                          const CancelToken& cancel) {
  std::vector<at::Tensor> all;
  std::int64_t longest = 0;
  for (const auto& tokens : reference) {
    HS_ASSIGN(const at::Tensor z, z_of(engine, tokens, head.layer, cancel));
    all.push_back(z.select(1, head.head).to(at::kDouble));
    longest = std::max(longest, z.size(0));
  }
  if (!by_position) return at::cat(all).mean(0);
  std::vector<at::Tensor> means;
  for (std::int64_t position = 0; position < longest; ++position) {
    std::vector<at::Tensor> here;
    for (const at::Tensor& z : all)
      if (position < z.size(0)) here.push_back(z.select(0, position));
    means.push_back(at::stack(here).mean(0));
  }
  return at::stack(means);
}

// Positions and values are those of the whole prompt; the phase decides when they act.
class PlainSource {
public:
  PlainSource(const Engine& engine, const AblationPlan& plan, const HeadAblationOptions& options,
              const std::vector<std::int64_t>& donors, const CancelToken& cancel)
      : engine_(engine), plan_(plan), options_(options), donors_(donors), cancel_(cancel) {}

  Result<Intervention> intervention(std::size_t prompt, HeadId head) const {
    Intervention out;
    out.site = {options_.method == AblationMethod::uniform ? HookPoint::pattern : HookPoint::z, head.layer};
    out.head = head.head;
    out.phase = options_.phase;
    const TokenRows& reference = reference_rows(options_, plan_.prompts);
    const auto length = static_cast<std::int64_t>(plan_.prompts[prompt].size());
    if (options_.method == AblationMethod::uniform) out.kind = InterventionKind::uniform;
    if (options_.method == AblationMethod::mean) {
      out.kind = InterventionKind::set;
      HS_ASSIGN(out.value, mean_z(engine_, reference, head, options_.mean_by_position, cancel_));
      if (!options_.mean_by_position) return out;
      out.positions = phase_positions(Phase::both, length);
      out.value = out.value.narrow(0, 0, length);
    }
    if (options_.method == AblationMethod::resample) {
      out.kind = InterventionKind::set;
      HS_ASSIGN(const at::Tensor z,
                z_of(engine_, reference[static_cast<std::size_t>(donors_[prompt])], head.layer, cancel_));
      const std::int64_t shared = std::min(length, z.size(0));
      for (std::int64_t p = length - shared; p < length; ++p)
        out.positions.push_back(p);
      out.value = z.select(1, head.head).narrow(0, z.size(0) - shared, shared);
    }
    return out;
  }

private:
  const Engine& engine_;
  const AblationPlan& plan_;
  const HeadAblationOptions& options_;
  const std::vector<std::int64_t>& donors_;
  CancelToken cancel_;
};

Status sweep(const Engine& engine, const AblationPlan& plan, const HeadAblationOptions& options,
             const RunControl& control, HeadAblationResult& result) {
  if (options.method == AblationMethod::resample) {
    HS_ASSIGN(result.donors, choose_donors(plan.prompts, reference_rows(options, plan.prompts), options.seed));
    HS_ASSIGN(result.replaced,
              replaced_shares(plan.prompts, reference_rows(options, plan.prompts), result.donors, options.phase));
  }
  const PlainSource source(engine, plan, options, result.donors, control.cancel);
  for (std::size_t prompt = 0; prompt < plan.prompts.size(); ++prompt) {
    const auto index = static_cast<std::int64_t>(prompt);
    Judge judge{options.metric, plan.answers, {}};
    HS_ASSIGN(const at::Tensor clean, run_prompt(engine, plan.prompts[prompt], options.phase, {}, control.cancel));
    if (needs_reference(options.metric)) judge.reference = clean.expand({result.n_prompts, clean.size(1)});
    HS_ASSIGN(const auto clean_value, judge.values(clean, {index}));
    result.clean[prompt] = clean_value.front();
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
      for (const std::int64_t head : plan.heads[l]) {
        HS_ASSIGN(const Intervention intervention, source.intervention(prompt, {plan.layers[l], head}));
        HS_ASSIGN(const at::Tensor logits,
                  run_prompt(engine, plan.prompts[prompt], options.phase, {intervention}, control.cancel));
        HS_ASSIGN(const auto value, judge.values(logits, {index}));
        result.effects[result.index(index, plan.layers[l], head)] = value.front() - clean_value.front();
      }
    }
    control.report("ablating heads", index + 1, result.n_prompts);
  }
  return {};
}

} // namespace

Result<HeadAblationResult> ablate_heads_plainly(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                                const HeadAblationOptions& options, const RunControl& control) {
  return guarded("ablating heads", [&]() -> Result<HeadAblationResult> {
    HS_ASSIGN(const AblationPlan plan, plan_ablation(engine, prompts, options));
    HeadAblationResult result = empty_result(engine, plan);
    const Status status = sweep(engine, plan, options, control, result);
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    result.complete = status.ok();
    return result;
  });
}

} // namespace headscope
