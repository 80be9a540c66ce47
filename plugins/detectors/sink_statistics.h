// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps alpha_k = sum over q of A[q,k] / (T - k) for every text, layer and head.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/engine.h"
#include "core/store/result_types.h"

namespace headscope {

class SinkStatistics {
public:
  SinkStatistics(const ModelConfig& config, std::int64_t length);

  void add(const AttentionStatistics& layer); // its key_sum, of one text; batch 1
  void finish_text();

  std::int64_t length() const { return length_; }
  std::int64_t texts() const { return static_cast<std::int64_t>(alphas_.size()); }

  // [layer, head]
  std::vector<float> rate_at(std::int64_t k, double epsilon) const; // share of texts with alpha_k > epsilon
  std::vector<float> mean_at(std::int64_t k) const;
  std::vector<float> later_rate(double theta, std::int64_t end) const; // some k in [1, end) above theta
  std::vector<float> later_max(std::int64_t end) const;
  // The share over texts, layers and heads.
  double share_at(std::int64_t k, double epsilon) const;
  double overall_mean(std::int64_t k) const;
  // Lists every text, layer, head and key in [1, end) above theta, at most the 1,000 largest.
  store::Table later_table(double theta, std::int64_t end) const;

private:
  at::Tensor stacked() const; // [text, layer, head, key]

  std::int64_t n_layers_, n_heads_, length_;
  std::vector<at::Tensor> alphas_; // [layer, head, key] float64 a text
  at::Tensor current_;
};

} // namespace headscope
