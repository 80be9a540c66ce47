// SPDX-License-Identifier: GPL-3.0-or-later
// Means of diagonal stripes of the attention pattern on repeated random tokens (TransformerLens's
// induction, duplicate-token and previous-token scores).
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/run_control.h"
#include "core/engine/engine.h"

namespace headscope {

struct RepeatedTokens {
  std::int64_t batch = 10;
  std::int64_t n = 50;     // tokens before they repeat
  std::int64_t low = 1000; // ids are drawn from [low, high)
  std::int64_t high = 9999;
  std::uint64_t seed = 0;
};

// Tokens [batch, 2 n]: the same as torch.manual_seed(seed); torch.randint(low, high, (batch, n)), written twice.
at::Tensor repeated_tokens(const RepeatedTokens& spec);

// Keeps the mean of one stripe, the weights A[q, q - distance], of every layer as layers are streamed.
class StripeMeans {
public:
  explicit StripeMeans(const ModelConfig& config);
  void add(const AttentionStatistics& layer); // of one distance
  // The mean over the whole stripe and the batch [layer, head]; NaN for layers never seen.
  std::vector<float> means() const;

private:
  std::int64_t n_heads_;
  std::vector<at::Tensor> means_; // [head] float64 a layer
};

} // namespace headscope
