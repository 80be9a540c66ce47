// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/hook_plan.h"

#include <algorithm>
#include <span>

#include <ATen/ATen.h>

#include "core/engine/apply_intervention.h"
#include "core/engine/device.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

class SiteChecker {
public:
  SiteChecker(const ModelConfig& config, const RunSpan& span) : config_(config), span_(span) {
    for (const HookSite& site : hook_sites(config))
      sites_.push_back(site);
    std::sort(sites_.begin(), sites_.end());
  }

  Status check(HookSite site) const {
    if (std::binary_search(sites_.begin(), sites_.end(), site)) return {};
    return make_error(ErrorCode::not_found, "this model has no such hook point", {}, hook_name(site));
  }

  Status check(const Intervention& intervention) const {
    HS_TRY(check(intervention.site));
    const std::string field = hook_name(intervention.site);
    const HookAxes axes = hook_axes(intervention.site.point);
    const std::int64_t heads = axes == HookAxes::pos_d           ? 0
                               : axes == HookAxes::pos_kv_head_d ? config_.n_kv_heads
                                                                 : config_.n_heads;
    if (intervention.head && (*intervention.head < 0 || *intervention.head >= heads))
      return make_error(ErrorCode::invalid_argument,
                        heads == 0 ? "has no head axis"
                                   : "has heads 0 to " + std::to_string(heads - 1) + ", not " +
                                         std::to_string(*intervention.head),
                        {}, field);
    if (intervention.row && (*intervention.row < 0 || *intervention.row >= span_.batch))
      return make_error(ErrorCode::invalid_argument,
                        "the batch has rows 0 to " + std::to_string(span_.batch - 1) + ", not " +
                            std::to_string(*intervention.row),
                        {}, field);
    const std::int64_t there = span_.begin + span_.count, limit = span_.cached ? std::max(there, config_.n_ctx) : there;
    for (const std::int64_t position : intervention.positions)
      if (position < 0 || position >= limit)
        return make_error(ErrorCode::invalid_argument,
                          "position " + std::to_string(position) + " is outside 0 to " + std::to_string(limit - 1), {},
                          field);
    const bool valued = intervention.kind == InterventionKind::set || intervention.kind == InterventionKind::add;
    if (valued && !intervention.value.defined())
      return make_error(ErrorCode::invalid_argument, "an intervention of this kind needs a value", {}, field);
    if (intervention.kind == InterventionKind::uniform && intervention.site.point != HookPoint::pattern)
      return make_error(ErrorCode::invalid_argument, "uniform attention is an intervention at hook_pattern", {}, field);
    if (intervention.kind == InterventionKind::project_out) HS_TRY(check_direction(intervention.value, field));
    return check_keys(intervention, field);
  }

private:
  static Status check_direction(const at::Tensor& direction, const std::string& field) {
    if (!direction.defined() || direction.dim() != 1)
      return make_error(ErrorCode::invalid_argument, "what is projected out must be one vector", {}, field);
    if (direction.isfinite().all().item<bool>() && direction.ne(0).any().item<bool>()) return {};
    return make_error(ErrorCode::invalid_argument, "what is projected out must be finite and not 0", {}, field);
  }

  static Status check_keys(const Intervention& intervention, const std::string& field) {
    const bool hide = intervention.kind == InterventionKind::hide;
    if (hide && intervention.site.point != HookPoint::attn_scores)
      return make_error(ErrorCode::invalid_argument, "hiding keys is an intervention at hook_attn_scores", {}, field);
    if (hide && intervention.keys.empty())
      return make_error(ErrorCode::invalid_argument, "names no key to hide", {}, field);
    if (intervention.kind == InterventionKind::redistribute && intervention.site.point != HookPoint::pattern)
      return make_error(ErrorCode::invalid_argument, "attention is redistributed at hook_pattern", {}, field);
    for (const std::int64_t key : intervention.keys)
      if (key < 0)
        return make_error(ErrorCode::invalid_argument, "key " + std::to_string(key) + " is negative", {}, field);
    return intervention.kind == InterventionKind::steer ? check_steering(intervention, field) : Status();
  }

  static Status check_steering(const Intervention& intervention, const std::string& field) {
    if (intervention.site.point != HookPoint::pattern)
      return make_error(ErrorCode::invalid_argument, "attention is steered at hook_pattern", {}, field);
    if (intervention.keys.empty())
      return make_error(ErrorCode::invalid_argument, "names no key to steer towards", {}, field);
    if (!(intervention.factor >= 0.0 && intervention.factor <= 1.0))
      return make_error(ErrorCode::invalid_argument, "the steered share must be 0 to 1", {}, field);
    const at::Tensor& weights = intervention.value;
    if (!weights.defined()) return {};
    if (weights.dim() != 1 || weights.size(0) != static_cast<std::int64_t>(intervention.keys.size()))
      return make_error(ErrorCode::mismatch, "needs one weight a key", {}, field);
    if (!weights.gt(0).all().item<bool>() || !weights.isfinite().all().item<bool>())
      return make_error(ErrorCode::invalid_argument, "the weights of keys must be positive", {}, field);
    return {};
  }

  const ModelConfig& config_;
  const RunSpan& span_;
  std::vector<HookSite> sites_;
};

// Whether an intervention zeroes one head of one row at every position.
bool zeroes_one_head(const Intervention* x) {
  return x->kind == InterventionKind::zero && x->row && x->head && x->positions.empty();
}

// Zeroes a head in each of hundreds of rows, as sweeps do, with one mask. x: [batch, pos, head_index, d]
at::Tensor without_heads(const at::Tensor& x, std::span<const Intervention* const> zeroed) {
  at::Tensor mask = at::zeros({x.size(0), x.size(2)}, at::kBool);
  bool* const gone = mask.mutable_data_ptr<bool>();
  for (const Intervention* intervention : zeroed)
    gone[*intervention->row * x.size(2) + *intervention->head] = true;
  return at::where(queued_copy(mask, x.device()).view({x.size(0), 1, x.size(2), 1}), 0.0, x);
}

// Copies a view, which would otherwise keep the larger tensor alive.
at::Tensor compact(const at::Tensor& x) {
  const bool alone = x.is_contiguous() && x.storage().nbytes() == x.nbytes();
  return alone ? x : x.detach().clone(at::MemoryFormat::Contiguous);
}

} // namespace

Result<HookPlan> HookPlan::build(const RunRequest& request, const std::vector<HookSite>& gradients,
                                 const std::vector<BackwardHook>& backward_hooks, const ModelConfig& config,
                                 const RunSpan& span) {
  HookPlan plan;
  plan.span_ = span;
  plan.n_heads_ = config.n_heads;
  plan.flags_.assign(static_cast<std::size_t>((config.n_layers + 1) * hook_point_count), 0);
  const bool anything = !request.interventions.empty() || !request.hooks.empty() || !request.capture.empty() ||
                        !gradients.empty() || !backward_hooks.empty();
  if (!anything) return plan;
  const SiteChecker checker(config, span);
  const auto mark = [&](HookSite site, Flag flag) { plan.flags_[plan.index(site.point, site.layer)] |= flag; };
  for (const Intervention& intervention : request.interventions) {
    HS_TRY(checker.check(intervention));
    if (!(static_cast<int>(intervention.phase) & static_cast<int>(span.phase()))) continue;
    plan.interventions_.push_back(&intervention);
    mark(intervention.site, intervention.kind == InterventionKind::uniform ? uniform_flag : edit_flag);
  }
  // Sorts by site, and keeps the given order within a site.
  std::stable_sort(plan.interventions_.begin(), plan.interventions_.end(),
                   [](const Intervention* a, const Intervention* b) { return a->site < b->site; });
  for (const Hook& hook : request.hooks) {
    HS_TRY(checker.check(hook.site));
    plan.hooks_.push_back(&hook);
    mark(hook.site, hook_flag);
  }
  for (const HookSite& site : request.capture) {
    HS_TRY(checker.check(site));
    mark(site, capture_flag);
  }
  for (const HookSite& site : gradients) {
    HS_TRY(checker.check(site));
    mark(site, gradient_flag);
  }
  for (const BackwardHook& hook : backward_hooks) {
    HS_TRY(checker.check(hook.site));
    plan.backward_hooks_.push_back(&hook);
    mark(hook.site, gradient_flag);
  }
  return plan;
}

bool HookPlan::touches(int layer, HookPoint from) const {
  const auto begin = flags_.begin() + static_cast<std::ptrdiff_t>(index(HookPoint{}, layer));
  return std::any_of(begin + static_cast<int>(from), begin + hook_point_count,
                     [](std::uint8_t flags) { return flags != 0; });
}

at::Tensor HookPlan::intervene(HookSite site, const at::Tensor& x) const {
  const auto begin = std::lower_bound(interventions_.begin(), interventions_.end(), site,
                                      [](const Intervention* a, const HookSite& s) { return a->site < s; });
  auto end = begin;
  while (end != interventions_.end() && (*end)->site == site)
    ++end;
  if (std::all_of(begin, end, zeroes_one_head) && hook_axes(site.point) != HookAxes::head_query_key)
    return without_heads(x, {begin, end});
  at::Tensor changed = x.clone(at::MemoryFormat::Contiguous);
  for (auto it = begin; it != end; ++it)
    apply_intervention(**it, span_, changed);
  return changed;
}

at::Tensor HookPlan::visit(HookPoint point, int layer, at::Tensor x) {
  const std::uint8_t flags = flags_[index(point, layer)];
  if (flags == 0) return x;
  const HookSite site{point, layer};
  if (flags & edit_flag) x = intervene(site, x);
  if (flags & hook_flag) {
    for (const Hook* hook : hooks_) {
      if (hook->site != site) continue;
      at::Tensor replaced = hook->fn(site, x);
      if (!replaced.defined() || replaced.sizes() != x.sizes())
        throw ErrorException(
            make_error(ErrorCode::mismatch, "the hook returned a tensor of another shape", {}, hook_name(site)));
      x = replaced.to(x.options());
    }
  }
  if (flags & gradient_flag) {
    if (!x.requires_grad()) x = x.detach().requires_grad_(true); // the first point of a differentiated run
    for (const BackwardHook* hook : backward_hooks_)
      if (hook->site == site) x.register_hook([hook, site](at::Tensor gradient) { return hook->fn(site, gradient); });
    targets_.put(site, x);
  }
  if (flags & capture_flag) cache_.put(site, compact(x.detach()));
  return x;
}

at::Tensor HookPlan::uniform_queries(int layer, const at::Device& device) const {
  if (!(flags_[index(HookPoint::pattern, layer)] & uniform_flag)) return {};
  at::Tensor queries = at::zeros({span_.batch, span_.count, n_heads_}, at::kBool);
  for (const Intervention* intervention : interventions_) {
    if (intervention->kind != InterventionKind::uniform || intervention->site.layer != layer) continue;
    at::Tensor view = queries;
    if (intervention->head) view = view.narrow(2, *intervention->head, 1);
    if (intervention->row) view = view.narrow(0, *intervention->row, 1);
    if (intervention->positions.empty()) view.fill_(true);
    for (const std::int64_t position : intervention->positions)
      if (position >= span_.begin && position < span_.begin + span_.count)
        view.narrow(1, position - span_.begin, 1).fill_(true);
  }
  return queued_copy(queries, device);
}

} // namespace headscope
