// SPDX-License-Identifier: GPL-3.0-or-later
// How similar an attention pattern is to the pattern that a kind of head would have on these tokens (TransformerLens's
// head_detector).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/engine.h"

namespace headscope {

// The pattern [query, key]: 1 where such a head would attend. `previous` attends to the token before, `duplicate` to
// earlier occurrences of the query's token, `induction` to what followed those.
at::Tensor detection_pattern(const std::string& kind, const at::Tensor& tokens);

enum class Similarity : std::uint8_t {
  mul, // sum(A P) / sum(A)
  abs, // 1 - T mean|A - P|, over T x T
};

struct SimilarityOptions {
  Similarity measure = Similarity::mul;
  bool exclude_bos = false;           // without key 0
  bool exclude_current_token = false; // without the diagonal
};

// Accumulates tiles of every layer as they are streamed.
class SimilaritySum {
public:
  // `expected`: [batch, query, key].
  SimilaritySum(const ModelConfig& config, at::Tensor expected, SimilarityOptions options);
  void add(const PatternTile& tile);
  // The mean over the batch [layer, head]; NaN for layers never seen.
  std::vector<float> means() const;

private:
  std::int64_t n_heads_;
  at::Tensor expected_, counted_; // counted: 1 where an entry is not excluded [query, key]
  Similarity measure_;
  std::vector<at::Tensor> part_, whole_; // [batch, head] float64 a layer: the two sums of the measure
};

} // namespace headscope
