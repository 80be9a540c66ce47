// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/retrieval_score.h"

#include <set>

#include <ATen/ATen.h>

namespace headscope {

CopyCounter::CopyCounter(const ModelConfig& config, const RetrievalPrompt& prompt)
    : prompt_(prompt), n_layers_(config.n_layers), n_heads_(config.n_heads),
      attended_(static_cast<std::size_t>(config.n_layers * config.n_heads), -1) {}

void CopyCounter::see(const PatternTile& tile) {
  const at::Tensor best = tile.pattern[0].select(1, tile.pattern.size(2) - 1).argmax(1).cpu(); // [head]
  const auto heads = best.accessor<std::int64_t, 1>();
  for (std::int64_t head = 0; head < n_heads_; ++head)
    attended_[static_cast<std::size_t>(tile.layer * n_heads_ + head)] = heads[head];
}

void CopyCounter::generated(std::int64_t token) {
  for (std::int64_t layer = 0; layer < n_layers_; ++layer)
    for (std::int64_t head = 0; head < n_heads_; ++head) {
      const std::int64_t at = attended_[static_cast<std::size_t>(layer * n_heads_ + head)];
      if (at < prompt_.span.begin || at >= prompt_.span.end || at >= static_cast<std::int64_t>(prompt_.ids.size()))
        continue;
      if (prompt_.ids[static_cast<std::size_t>(at)] == token) copies_.push_back({layer, head, step_, at, token});
    }
  ++step_;
}

std::vector<double> CopyCounter::code_score() const {
  std::vector<double> scores(attended_.size(), 0.0);
  for (const Copy& copy : copies_)
    scores[static_cast<std::size_t>(copy.layer * n_heads_ + copy.head)] +=
        1.0 / static_cast<double>(prompt_.needle_ids.size());
  return scores;
}

std::vector<double> CopyCounter::set_score() const {
  const std::set<std::int64_t> needle(prompt_.needle_ids.begin(), prompt_.needle_ids.end());
  std::vector<std::set<std::int64_t>> copied(attended_.size());
  for (const Copy& copy : copies_)
    if (needle.count(copy.token) != 0)
      copied[static_cast<std::size_t>(copy.layer * n_heads_ + copy.head)].insert(copy.token);
  std::vector<double> scores;
  for (const auto& tokens : copied)
    scores.push_back(static_cast<double>(tokens.size()) / static_cast<double>(needle.size()));
  return scores;
}

} // namespace headscope
