// SPDX-License-Identifier: GPL-3.0-or-later
// What weights alone say about heads: eigenvalues of the OV and QK circuits in token space, composition of pairs of
// heads (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"), and singular vectors of OV as tokens
// (Millidge and Black 2022). Definitions are TransformerLens's (FactoredMatrix.eigenvalues, all_composition_scores).
//
// Weights of norms are folded into adjacent matrices, as TransformerLens's fold_ln does; a LayerNorm's mean is
// subtracted too. Norm scales, rotary positions and biases are ignored, since they do not depend on weights alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/run_control.h"
#include "core/model/model.h"
#include "core/vocabulary/head_id.h"

namespace headscope {

struct HeadWeightsOptions {
  bool eigenvalues = true, composition = true;
  std::vector<HeadId> singular; // heads whose OV singular vectors are read
  std::int64_t directions = 3;  // of each, the largest
  std::int64_t tokens = 5;      // at each end of a direction
};

// One singular direction of a head's OV: what it reads, and what it then writes. The sign is chosen so that the written
// logit of largest magnitude is positive.
struct SingularDirection {
  HeadId head;
  double value = 0.0;                                                       // singular value
  std::vector<std::int64_t> reads, reads_opposite, writes, writes_opposite; // token ids, strongest first
};

struct HeadWeights {
  std::int64_t n_layers = 0, n_heads = 0;
  // The sum of the eigenvalues of W_E W_OV W_U, and of W_E W_QK W_E^T, over the sum of their absolute values [layer,
  // head_index]; 1: copies every token (attends to the same token), -1: the opposite.
  std::vector<double> copying, matching;
  // Composition [layer, head_index, later layer, head_index]: |W_OV W_QK'|, |W_OV W_QK'^T| and |W_OV W_OV'| (Frobenius)
  // over the product of both norms; NaN where the second head is not in a later layer.
  std::vector<double> q_composition, k_composition, v_composition;
  std::vector<SingularDirection> singular;
  bool complete = false; // false when cancelled; what was done until then is kept

  std::size_t index(std::int64_t layer, std::int64_t head) const {
    return static_cast<std::size_t>(layer * n_heads + head);
  }
  std::size_t pair(std::int64_t from, std::int64_t to) const { // head numbers layer * n_heads + head
    return static_cast<std::size_t>(from * n_layers * n_heads + to);
  }
};

// Computes in float64 on the CPU.
Result<HeadWeights> head_weights(const Model& model, const HeadWeightsOptions& options, const RunControl& control = {});

} // namespace headscope
