// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/norm.h"

#include "core/engine/device_parts.h"

#include <ATen/ATen.h>

namespace headscope {
namespace {

at::Tensor weigh(const ModelConfig& config, const NormWeights& weights, const at::Tensor& normalized32,
                 at::ScalarType dtype) {
  if (!weights.w.defined()) return normalized32.to(dtype);
  if (config.norm_scale_in_float32) return (normalized32 * weights.w).to(dtype);
  return normalized32.to(dtype) * weights.w;
}

at::Tensor rms_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x) {
  if (at::Tensor y = rms_norm_on_device(config, weights.w, x); y.defined()) return y;
  const at::Tensor x32 = x.to(at::kFloat);
  const at::Tensor inverse = at::rsqrt(x32.square().mean(-1, true) + config.norm_eps);
  return weigh(config, weights, x32 * inverse, x.scalar_type());
}

at::Tensor layer_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x) {
  const bool affine = config.norm == NormKind::layer_norm;
  return at::layer_norm(x, {x.size(-1)}, affine ? weights.w : at::Tensor{}, affine ? weights.b : at::Tensor{},
                        config.norm_eps);
}

// Computes scale and normalized activations separately, for runs that read or change them.
at::Tensor hooked_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x, HookPlan& plan,
                       const NormSite& site) {
  const bool centers = config.norm != NormKind::rms_norm;
  at::Tensor x32 = x.to(at::kFloat);
  if (centers) x32 = x32 - x32.mean(-1, true);
  at::Tensor scale = (x32.square().mean(-1, true) + config.norm_eps).sqrt();
  scale = plan.visit(site.scale, site.layer, scale);
  at::Tensor normalized = x32 / scale;
  if (!centers) {
    normalized = plan.visit(site.normalized, site.layer, normalized.to(x.scalar_type()));
    return weigh(config, weights, normalized.to(at::kFloat), x.scalar_type());
  }
  if (config.norm == NormKind::layer_norm && weights.w.defined()) normalized = normalized * weights.w;
  if (config.norm == NormKind::layer_norm && weights.b.defined()) normalized = normalized + weights.b;
  return plan.visit(site.normalized, site.layer, normalized.to(x.scalar_type()));
}

} // namespace

at::Tensor apply_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x) {
  switch (config.norm) {
  case NormKind::none: return x;
  case NormKind::rms_norm: return rms_norm(config, weights, x);
  default: return layer_norm(config, weights, x);
  }
}

ModelConfig final_norm_config(const ModelConfig& config) {
  ModelConfig last = {};
  last.norm = config.last_norm();
  last.norm_eps = config.norm_eps;
  last.norm_scale_in_float32 = config.norm_scale_in_float32;
  return last;
}

at::Tensor apply_final_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x) {
  if (!config.final_norm) return x;
  return apply_norm(config.final_norm_kind ? final_norm_config(config) : config, weights, x);
}

at::Tensor apply_norm(const ModelConfig& config, const NormWeights& weights, const at::Tensor& x, HookPlan& plan,
                      const NormSite& site) {
  if (config.norm == NormKind::none) return x;
  if (!plan.active(site.scale, site.layer) && !plan.active(site.normalized, site.layer))
    return apply_norm(config, weights, x);
  return hooked_norm(config, weights, x, plan, site);
}

} // namespace headscope
