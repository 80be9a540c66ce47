// SPDX-License-Identifier: GPL-3.0-or-later
// What one run does at each hook point. A point that is not asked for costs one test of a flag.
#pragma once

#include <vector>

#include "core/engine/engine.h"

namespace headscope {

// The rows, slots and blocks that this run computes, and what kind of run it is.
struct RunSpan {
  std::int64_t batch = 0;
  std::int64_t token_rows = 0; // the first of them, which enter from tokens
  std::int64_t begin = 0;      // slot of the first position: tokens already in the KV cache or prefix
  std::int64_t count = 0;      // positions
  int first_layer = 0;
  int end_layer = 0;   // one past the last
  bool cached = false; // with a KV cache
  Phase phase() const { return cached && begin > 0 ? Phase::decode : Phase::prefill; }
};

class HookPlan {
public:
  // Checks every site, head, row and position against the model and the run.
  static Result<HookPlan> build(const RunRequest& request, const std::vector<HookSite>& gradients,
                                const std::vector<BackwardHook>& backward_hooks, const ModelConfig& config,
                                const RunSpan& span);

  bool active(HookPoint point, int layer = -1) const { return flags_[index(point, layer)] != 0; }

  // Whether anything of the block is read or changed.
  bool touches(int layer) const { return touches(layer, HookPoint{}); }
  // Whether anything of the block is read or changed from this point on.
  bool touches(int layer, HookPoint from) const;

  // Applies interventions, then hooks, to x; captures the result where asked for; returns it.
  at::Tensor visit(HookPoint point, int layer, at::Tensor x);
  at::Tensor visit(HookPoint point, at::Tensor x) { return visit(point, -1, std::move(x)); }

  // Bool [batch, pos, head_index]: true for queries that attend uniformly in this layer; undefined for none. Covers all
  // rows, including those that have yet to enter.
  at::Tensor uniform_queries(int layer, const at::Device& device) const;
  // Whether a point inside attention is read or changed, beyond uniform interventions.
  bool needs(HookPoint point, int layer) const { return (flags_[index(point, layer)] & ~uniform_flag) != 0; }

  ActivationCache take_cache() { return std::move(cache_); }
  // The tensors whose gradients were asked for, by site.
  const ActivationCache& gradient_targets() const { return targets_; }

private:
  enum Flag : std::uint8_t { edit_flag = 1, hook_flag = 2, capture_flag = 4, gradient_flag = 8, uniform_flag = 16 };

  std::size_t index(HookPoint point, int layer) const {
    return static_cast<std::size_t>((layer + 1) * hook_point_count + static_cast<int>(point));
  }
  at::Tensor intervene(HookSite site, const at::Tensor& x) const;

  std::vector<std::uint8_t> flags_;
  std::vector<const Intervention*> interventions_;
  std::vector<const Hook*> hooks_;
  std::vector<const BackwardHook*> backward_hooks_;
  ActivationCache cache_, targets_;
  RunSpan span_;
  std::int64_t n_heads_ = 0;
};

} // namespace headscope
