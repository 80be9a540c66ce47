// SPDX-License-Identifier: GPL-3.0-or-later
// The backward pass of a run, block by block, from its logits down to the layer that it began at. For the lower blocks
// only resid_pre is kept, and each is recomputed when its turn comes, so that memory is that of one block plus as many
// upper ones as a budget allows. Weights get no gradients.
#pragma once

#include <functional>
#include <vector>

#include "core/engine/engine.h"

namespace headscope {

// A block's values (resid, q, k, v) and gradients (all others: d metric / d value).
struct BlockGradients {
  int layer = 0;
  at::Tensor resid;      // resid_pre [row, pos, d_model]
  at::Tensor q, k, v;    // as projected [row, pos, head_index, d_head]
  at::Tensor dq, dk, dv; // of the same axes
  at::Tensor d_mlp_in;   // [row, pos, d_model]; undefined without an MLP
};

class BlockBackward {
public:
  // Blocks come from the top down. `prefix` holds keys and values before the rows' positions, or is null.
  BlockBackward(const Engine& engine, TokenBatch batch, const KvCache* prefix, std::int64_t activation_bytes,
                CancelToken cancel, std::function<void(const BlockGradients&)> sink);

  struct FromMetric {
    at::Tensor resid_post; // d metric / d resid_post of the last block
    at::Tensor resid_pre;  // d metric / d resid_pre of the block that the run began at
  };
  // Runs from resid_pre of the block `begin` on, with hooks that may change values on the way.
  Result<FromMetric> run(int begin, const at::Tensor& resid, const std::vector<Hook>& hooks,
                         const MetricFn& metric) const;

  // Runs one block other than the last backwards, from the gradient at its resid_post; returns that at its resid_pre.
  Result<at::Tensor> block(int layer, const at::Tensor& resid, const at::Tensor& gradient,
                           const std::vector<Hook>& hooks) const;

private:
  GradientRequest request(int begin, const at::Tensor& resid, int end, const std::vector<Hook>& hooks) const;
  void hand_over(const GradientResult& result, int begin, int end) const;
  int kept_from(int start) const; // the lowest block whose activations are kept

  const Engine& engine_;
  TokenBatch batch_;
  const KvCache* prefix_;
  std::int64_t activation_bytes_;
  CancelToken cancel_;
  std::function<void(const BlockGradients&)> sink_;
};

} // namespace headscope
