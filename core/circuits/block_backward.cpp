// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/block_backward.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace headscope {
namespace {

// Estimates what a differentiated block keeps per token: residuals, q, k, v, z and their rotated and repeated copies,
// the MLP's inside, and the norms' float32.
std::int64_t bytes_of_token(const Model& model) {
  const ModelConfig& config = model.config;
  const auto element = static_cast<std::int64_t>(c10::elementSize(model.dtype));
  const std::int64_t heads = 4 * (config.n_heads + config.n_kv_heads) * config.d_head;
  return element * (heads + 2 * config.d_model + 4 * config.d_mlp) + 4 * 6 * config.d_model;
}

std::vector<Hook> within(const std::vector<Hook>& hooks, int begin, int end) {
  std::vector<Hook> some;
  for (const Hook& hook : hooks)
    if (hook.site.layer >= begin && hook.site.layer < end) some.push_back(hook);
  return some;
}

} // namespace

BlockBackward::BlockBackward(const Engine& engine, TokenBatch batch, const KvCache* prefix,
                             std::int64_t activation_bytes, CancelToken cancel,
                             std::function<void(const BlockGradients&)> sink)
    : engine_(engine), batch_(std::move(batch)), prefix_(prefix), activation_bytes_(activation_bytes),
      cancel_(std::move(cancel)), sink_(std::move(sink)) {}

GradientRequest BlockBackward::request(int begin, const at::Tensor& resid, int end,
                                       const std::vector<Hook>& hooks) const {
  const bool whole = end == static_cast<int>(engine_.config().n_layers);
  GradientRequest request;
  request.run.batch = batch_;
  request.run.rows = {RowGroup::from_residual(begin, resid)};
  request.run.past = KvPast::read(prefix_);
  request.run.until = whole ? RunEnd(LogitRows::last) : BeforeLayer{end};
  request.run.hooks = within(hooks, begin, end);
  request.run.cancel = cancel_;
  request.gradients = {{HookPoint::resid_pre, begin}};
  for (int layer = begin; layer < end; ++layer) {
    for (const HookPoint point : {HookPoint::resid_pre, HookPoint::q, HookPoint::k, HookPoint::v})
      request.run.capture.push_back({point, layer});
    for (const HookPoint point : {HookPoint::q, HookPoint::k, HookPoint::v})
      request.gradients.push_back({point, layer});
    if (engine_.config().has_mlp()) request.gradients.push_back({HookPoint::mlp_in, layer});
  }
  if (whole) request.gradients.push_back({HookPoint::resid_post, end - 1});
  return request;
}

void BlockBackward::hand_over(const GradientResult& result, int begin, int end) const {
  for (int layer = end - 1; layer >= begin; --layer) {
    const auto value = [&](HookPoint point) { return result.cache.all().at({point, layer}); };
    const auto gradient = [&](HookPoint point) { return result.gradients.all().at({point, layer}); };
    BlockGradients block;
    block.layer = layer;
    block.resid = value(HookPoint::resid_pre);
    block.q = value(HookPoint::q), block.k = value(HookPoint::k), block.v = value(HookPoint::v);
    block.dq = gradient(HookPoint::q), block.dk = gradient(HookPoint::k), block.dv = gradient(HookPoint::v);
    if (engine_.config().has_mlp()) block.d_mlp_in = gradient(HookPoint::mlp_in);
    sink_(block);
  }
}

int BlockBackward::kept_from(int start) const {
  const std::int64_t one = bytes_of_token(engine_.model()) * batch_.tokens.numel();
  const std::int64_t layers = std::max<std::int64_t>(1, activation_bytes_ / one);
  return static_cast<int>(std::max<std::int64_t>(start, engine_.config().n_layers - layers));
}

Result<BlockBackward::FromMetric> BlockBackward::run(int begin, const at::Tensor& resid, const std::vector<Hook>& hooks,
                                                     const MetricFn& metric) const {
  const int end = static_cast<int>(engine_.config().n_layers), kept = kept_from(begin);
  std::vector<at::Tensor> residuals; // of the blocks before `kept`
  at::Tensor upper = resid;          // resid_pre of `kept`
  if (kept > begin) {
    RunRequest below;
    below.batch = batch_;
    below.rows = {RowGroup::from_residual(begin, resid)};
    below.past = KvPast::read(prefix_);
    below.until = BeforeLayer{kept};
    below.hooks = within(hooks, begin, kept);
    below.cancel = cancel_;
    for (int layer = begin; layer < kept; ++layer)
      below.capture.push_back({HookPoint::resid_pre, layer});
    HS_ASSIGN(const RunResult result, engine_.run(below));
    for (const HookSite& site : below.capture)
      residuals.push_back(result.cache.all().at(site));
    upper = result.resid;
  }
  GradientRequest top = request(kept, upper, end, hooks);
  top.metric = metric;
  at::Tensor gradient;
  FromMetric out;
  {
    HS_ASSIGN(const GradientResult result, engine_.run_with_gradients(top));
    out.resid_post = result.gradients.all().at({HookPoint::resid_post, end - 1});
    gradient = result.gradients.all().at({HookPoint::resid_pre, kept});
    hand_over(result, kept, end);
  }
  for (int layer = kept - 1; layer >= begin; --layer) {
    HS_ASSIGN(gradient, block(layer, residuals[static_cast<std::size_t>(layer - begin)], gradient, hooks));
    residuals.pop_back();
  }
  out.resid_pre = gradient;
  return out;
}

Result<at::Tensor> BlockBackward::block(int layer, const at::Tensor& resid, const at::Tensor& gradient,
                                        const std::vector<Hook>& hooks) const {
  GradientRequest one = request(layer, resid, layer + 1, hooks);
  one.resid_gradient = gradient;
  HS_ASSIGN(const GradientResult result, engine_.run_with_gradients(one));
  hand_over(result, layer, layer + 1);
  return result.gradients.all().at({HookPoint::resid_pre, layer});
}

} // namespace headscope
