// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/retrieval_properties.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/scoring/rank_correlation.h"

namespace headscope {
namespace {

using Scores = std::vector<double>;

Scores mean_of(const std::vector<const Scores*>& runs) {
  Scores mean(runs.front()->size(), 0.0);
  for (const Scores* run : runs)
    for (std::size_t head = 0; head < mean.size(); ++head)
      mean[head] += (*run)[head] / static_cast<double>(runs.size());
  return mean;
}

// The mean rank correlation over pairs of groups; NaN with fewer than two.
template <typename Key> double correlation_of(const std::map<Key, std::vector<const Scores*>>& groups) {
  std::vector<Scores> means;
  for (const auto& [key, runs] : groups)
    means.push_back(mean_of(runs));
  double sum = 0.0;
  int pairs = 0;
  for (std::size_t a = 0; a < means.size(); ++a)
    for (std::size_t b = a + 1; b < means.size(); ++b, ++pairs)
      sum += rank_correlation(means[a], means[b]);
  return pairs > 0 ? sum / pairs : std::nan("");
}

} // namespace

store::Attributes retrieval_properties(const std::vector<RetrievalEvidence>& runs, double threshold) {
  if (runs.empty()) return {};
  std::vector<const Scores*> all;
  std::map<std::int64_t, std::vector<const Scores*>> lengths;
  std::map<std::string, std::vector<const Scores*>> needles;
  for (const RetrievalEvidence& run : runs) {
    all.push_back(run.scores);
    lengths[run.length].push_back(run.scores);
    needles[run.needle].push_back(run.scores);
  }
  const Scores mean = mean_of(all);
  const auto heads = static_cast<double>(mean.size());
  const auto count = [&](auto&& wanted) { return std::count_if(mean.begin(), mean.end(), wanted); };
  std::int64_t always = 0, sometimes = 0;
  for (std::size_t head = 0; head < mean.size(); ++head) {
    const auto active = std::count_if(all.begin(), all.end(), [&](const Scores* run) { return (*run)[head] > 0.0; });
    always += active == std::ssize(all) ? 1 : 0;
    sometimes += active > 0 && active < std::ssize(all) ? 1 : 0;
  }
  store::Attributes out = {
      {"share_retrieval", static_cast<double>(count([&](double score) { return score >= threshold; })) / heads},
      {"share_zero", static_cast<double>(count([](double score) { return score == 0.0; })) / heads},
      {"heads_always_active", always},
      {"heads_sometimes_active", sometimes},
  };
  for (const auto& [name, value] : {std::pair<const char*, double>{"length_rank_correlation", correlation_of(lengths)},
                                    {"needle_rank_correlation", correlation_of(needles)}})
    if (std::isfinite(value)) out.push_back({name, value});
  return out;
}

} // namespace headscope
