// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/detection_pattern.h"

#include <limits>

#include <ATen/ATen.h>

namespace headscope {

at::Tensor detection_pattern(const std::string& kind, const at::Tensor& tokens) {
  const std::int64_t count = tokens.size(0);
  if (kind == "previous") return at::ones({count, count}).tril(-1).triu(-1);
  const at::Tensor duplicate = tokens.unsqueeze(1).eq(tokens.unsqueeze(0)).to(at::kFloat).tril(-1);
  if (kind == "duplicate") return duplicate;
  const at::Tensor first = at::zeros({count, 1});
  return at::cat({first, duplicate.narrow(1, 0, count - 1)}, 1).tril();
}

SimilaritySum::SimilaritySum(const ModelConfig& config, at::Tensor expected, SimilarityOptions options)
    : n_heads_(config.n_heads), expected_(expected.to(at::kDouble)), measure_(options.measure),
      part_(static_cast<std::size_t>(config.n_layers)), whole_(static_cast<std::size_t>(config.n_layers)) {
  counted_ = at::ones({expected_.size(1), expected_.size(2)}, at::kDouble);
  if (options.exclude_bos) counted_.select(1, 0).zero_();
  if (options.exclude_current_token) counted_.fill_diagonal_(0.0);
}

void SimilaritySum::add(const PatternTile& tile) {
  const std::int64_t rows = tile.pattern.size(2);
  const at::Tensor counted = counted_.narrow(0, tile.query_begin, rows);
  const at::Tensor expected = expected_.narrow(1, tile.query_begin, rows).unsqueeze(1); // [batch, 1, query, key]
  const at::Tensor pattern = tile.pattern.to(at::kCPU, at::kDouble);
  const auto total = [&](const at::Tensor& x) { return (x * counted).sum(at::IntArrayRef{2, 3}); };
  const bool mul = measure_ == Similarity::mul;
  const at::Tensor part = total(mul ? pattern * expected : (pattern - expected).abs()), whole = total(pattern);
  const auto layer = static_cast<std::size_t>(tile.layer);
  part_[layer] = part_[layer].defined() ? part_[layer] + part : part;
  whole_[layer] = whole_[layer].defined() ? whole_[layer] + whole : whole;
}

std::vector<float> SimilaritySum::means() const {
  std::vector<float> means;
  for (std::size_t layer = 0; layer < part_.size(); ++layer) {
    at::Tensor scores;
    if (part_[layer].defined()) {
      const auto count = static_cast<double>(expected_.size(1));
      scores = (measure_ == Similarity::mul ? part_[layer] / whole_[layer] : 1.0 - part_[layer] / count).mean(0);
    }
    for (std::int64_t head = 0; head < n_heads_; ++head)
      means.push_back(scores.defined() ? static_cast<float>(scores[head].item<double>())
                                       : std::numeric_limits<float>::quiet_NaN());
  }
  return means;
}

} // namespace headscope
