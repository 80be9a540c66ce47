// SPDX-License-Identifier: GPL-3.0-or-later
// What the file of a metric defines: its description and its arithmetic.
#pragma once

#include <span>

#include <ATen/core/Tensor.h>

#include "core/prompts/answers.h"
#include "core/vocabulary/metric.h"

namespace headscope {

struct MetricInput {
  const at::Tensor& logits;         // [row, d_vocab]
  std::span<const Answers> answers; // one a row; none where the metric needs none
  const at::Tensor& reference;      // [row, d_vocab] of the unchanged run; undefined where the metric needs none
};

struct Metric {
  MetricInfo info;
  // Returns [row] in double precision; differentiable where `info` says so.
  at::Tensor (*values)(const MetricInput& input);
  // Reads only the answers' logits; all rows are then done at once, since no whole vocabulary is held in double.
  bool reads_answers_alone = false;
};

} // namespace headscope
