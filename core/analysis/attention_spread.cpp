// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/attention_spread.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope {
namespace {

// Means over queries of patterns [head, query, key], whose rows sum to 1.
class Layer {
public:
  Layer(const SpreadRequest& request, const at::Device& device) : request_(request) {
    const std::int64_t n = std::ssize(request.tokens);
    const at::Tensor at = at::arange(n, at::TensorOptions(at::kFloat).device(device));
    const auto between = [&](const at::Tensor& place) {
      return (place.narrow(0, request.skip, n - request.skip).unsqueeze(1) - place.unsqueeze(0)).abs();
    };
    distance_ = between(at);
    if (request.width > 0) {
      const auto width = static_cast<double>(request.width);
      grid_ = (between(at.div(width, "floor")).square() + between(at.remainder(width)).square()).sqrt();
    }
    classes_ = at::one_hot(at::tensor(std::vector<std::int64_t>(request.classes.begin(), request.classes.end())),
                           request.n_classes)
                   .to(device, at::kFloat); // [pos, class]
  }

  // Each [head] or [.., head] in double precision on the CPU.
  struct Measured {
    at::Tensor distance, spread, grid, grid_spread, keys_kl, class_mass;
  };

  Measured measure(const at::Tensor& pattern) const {
    Measured out;
    std::tie(out.distance, out.spread) = moments(pattern, distance_);
    if (grid_.defined()) std::tie(out.grid, out.grid_spread) = moments(pattern, grid_);
    out.keys_kl = keys_kl(pattern);
    out.class_mass = class_mass(pattern);
    return out;
  }

private:
  static at::Tensor plain(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }

  static std::pair<at::Tensor, at::Tensor> moments(const at::Tensor& pattern, const at::Tensor& distance) {
    const at::Tensor mean = (pattern * distance).sum(-1); // [head, query]
    const at::Tensor off = distance - mean.unsqueeze(-1);
    const at::Tensor variance = (pattern * off.square()).sum(-1);
    return {plain(mean.mean(-1)), plain(variance.mean(-1).sqrt())};
  }

  at::Tensor keys_kl(const at::Tensor& pattern) const {
    std::vector<at::Tensor> rows;
    if (request_.keys.empty()) return at::empty({0}, at::kDouble);
    const std::int64_t most = std::min(request_.keys.back(), pattern.size(2));
    const at::Tensor held = std::get<0>(pattern.topk(most, -1)).cumsum(-1); // [head, query, k]
    for (const std::int64_t k : request_.keys)
      rows.push_back(plain(-held.select(2, std::min(k, most) - 1).clamp(1e-30, 1.0).log().mean(-1)));
    return at::stack(rows);
  }

  at::Tensor class_mass(const at::Tensor& pattern) const {
    const at::Tensor queries = classes_.narrow(0, request_.skip, classes_.size(0) - request_.skip);
    const at::Tensor mass = at::matmul(pattern, classes_);                  // [head, query, class]
    const at::Tensor sum = at::matmul(queries.t(), mass);                   // [head, class, class]
    const at::Tensor mean = sum / queries.sum(0).unsqueeze(0).unsqueeze(2); // 0 / 0 where there is no query
    return plain(mean).permute({1, 2, 0});
  }

  const SpreadRequest& request_;
  at::Tensor distance_, grid_; // [query, key]
  at::Tensor classes_;
};

// The values of layers one after the other, [.., layer, head].
std::vector<double> values(const std::vector<Layer::Measured>& layers, at::Tensor Layer::Measured::*part) {
  std::vector<at::Tensor> all;
  for (const Layer::Measured& each : layers)
    if ((each.*part).defined()) all.push_back((each.*part).unsqueeze(-2));
  if (all.empty()) return {};
  const at::Tensor flat = at::cat(all, -2).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

at::Tensor checked(const at::Tensor& x, const SpreadRequest& request, int layer) {
  const at::Tensor pattern = x[0].narrow(1, request.skip, x.size(2) - request.skip).to(at::kFloat);
  if (pattern.min().item<double>() < -1e-6)
    throw ErrorException(
        make_error(ErrorCode::unsupported,
                   "attention in layer " + std::to_string(layer) + " has negative weights, which have no mean distance",
                   {}, "attention"));
  return pattern / pattern.sum(-1, true).clamp_min(1e-30);
}

} // namespace

Result<AttentionSpread> measure_spread(const Engine& engine, const SpreadRequest& request, const RunControl& control) {
  if (request.skip < 0 || request.skip >= std::ssize(request.tokens))
    return make_error(ErrorCode::invalid_argument, "leaves no query of " + std::to_string(request.tokens.size()), {},
                      "skip");
  return guarded("measuring where heads look", [&]() -> Result<AttentionSpread> {
    const Layer layer(request, engine.model().device);
    const auto count = static_cast<int>(engine.config().n_layers);
    std::vector<Layer::Measured> layers;
    RunRequest run;
    run.batch = TokenBatch::single(request.tokens);
    run.until = LogitRows::none;
    run.cancel = control.cancel;
    for (int i = 0; i < count; ++i)
      run.hooks.push_back({{HookPoint::pattern, i}, [&, i](HookSite, at::Tensor pattern) {
                             control.report("measuring where heads look", i, count);
                             layers.push_back(layer.measure(checked(pattern, request, i)));
                             return pattern;
                           }});
    HS_TRY(engine.run(run));
    return AttentionSpread{values(layers, &Layer::Measured::distance), values(layers, &Layer::Measured::spread),
                           values(layers, &Layer::Measured::grid),     values(layers, &Layer::Measured::grid_spread),
                           values(layers, &Layer::Measured::keys_kl),  values(layers, &Layer::Measured::class_mass)};
  });
}

} // namespace headscope
