// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/engine.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/engine/attention_needs.h"
#include "core/engine/check_request.h"
#include "core/engine/forward.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// What a differentiated run asks for beyond a plain one.
struct Differentiation {
  const std::vector<HookSite>& gradients;
  const std::vector<BackwardHook>& hooks;
};

Result<HookPlan> plan_for(const RunRequest& request, const Differentiation& more, const ModelConfig& config,
                          const RunSpan& span) {
  return HookPlan::build(request, more.gradients, more.hooks, config, span);
}

// `gradient` is d metric / d `of`; undefined where `of` is a single number.
void differentiate(const at::Tensor& of, const at::Tensor& gradient, const std::vector<HookSite>& sites,
                   const ActivationCache& targets, ActivationCache& out) {
  const std::vector<at::Tensor> from = gradient.defined() ? std::vector{gradient} : std::vector<at::Tensor>{};
  std::vector<at::Tensor> inputs;
  for (const HookSite& site : sites)
    inputs.push_back(targets.all().at(site));
  if (inputs.empty()) {
    torch::autograd::backward({of}, from);
    return;
  }
  const auto gradients = torch::autograd::grad({of}, inputs, from, false, false, /*allow_unused=*/true);
  for (std::size_t i = 0; i < sites.size(); ++i)
    out.put(sites[i], gradients[i].defined() ? gradients[i] : at::zeros_like(inputs[i]));
}

} // namespace

Result<at::Tensor> ActivationCache::get(HookSite site) const {
  const auto it = tensors_.find(site);
  if (it == tensors_.end()) return make_error(ErrorCode::not_found, "was not captured", {}, hook_name(site));
  return it->second;
}

const AttentionBackend& Engine::attention_for(const RunRequest& request) const {
  return request.attention ? *request.attention : attention();
}

std::int64_t Engine::longest_text() const { return headscope::longest_text(attention_.get(), config()); }

Status Engine::check_length(std::int64_t tokens, const std::string& what, const std::string& field) const {
  return headscope::check_length(tokens, attention_.get(), config(), what, field);
}

Result<RunResult> Engine::run(const RunRequest& request) const {
  return guarded("running the model", [&]() -> Result<RunResult> {
    const c10::AutoGradMode no_grad(false);
    HS_ASSIGN(const RunSpan span, check_request(request, attention_for(request), config()));
    HS_ASSIGN(HookPlan plan, plan_for(request, {{}, {}}, config(), span));
    HS_TRY(check_needs(attention_for(request), request, span, plan, false));
    ForwardPass pass(*model_, attention_for(request), request, plan, span, false);
    RunResult result = pass.run();
    result.cache = plan.take_cache();
    return result;
  });
}

Result<GradientResult> Engine::run_with_gradients(const GradientRequest& request) const {
  return guarded("computing gradients", [&]() -> Result<GradientResult> {
    HS_TRY(check_gradient_request(request));
    const c10::AutoGradMode with_grad(true);
    HS_ASSIGN(const RunSpan span, check_request(request.run, attention_for(request.run), config()));
    HS_ASSIGN(HookPlan plan, plan_for(request.run, {request.gradients, request.backward_hooks}, config(), span));
    HS_TRY(check_needs(attention_for(request.run), request.run, span, plan, true));
    ForwardPass pass(*model_, attention_for(request.run), request.run, plan, span, true);
    const RunResult forward = pass.run();
    GradientResult result;
    if (std::holds_alternative<BeforeLayer>(request.run.until)) {
      differentiate(forward.resid, request.resid_gradient.to(forward.resid.options()), request.gradients,
                    plan.gradient_targets(), result.gradients);
      result.cache = plan.take_cache();
      return result;
    }
    const at::Tensor loss = request.metric(forward.logits);
    if (!loss.defined() || loss.numel() != 1)
      return make_error(ErrorCode::invalid_argument, "must be a single number", {}, "metric");
    differentiate(loss.reshape({}), {}, request.gradients, plan.gradient_targets(), result.gradients);
    result.metric = loss.item<double>();
    result.logits = forward.logits.detach();
    result.cache = plan.take_cache();
    return result;
  });
}

} // namespace headscope
