// SPDX-License-Identifier: GPL-3.0-or-later
// ACT: keys that draw attention from everywhere give a share of it back, in proportion to the other weights.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Act : public Mechanism {
public:
  explicit Act(const OptionValues& options) : theta_(options.number("theta")), beta_(options.number("beta")) {}

  TileFunction open(const Text& text) const override {
    return [&text, this, sinks = sinks_of(text)](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor full = tile.scores.softmax(-1);
      const at::Tensor sink = sinks.narrow(1, 0, queries.end).unsqueeze(1); // [head, 1, key]
      const at::Tensor others = full.masked_fill(sink, 0.0), rest = others.sum(-1, true);
      const at::Tensor freed = (full - others).sum(-1, true) * (1.0 - beta_);
      at::Tensor changed = at::where(sink, full * beta_, full) + freed * others / rest.clamp_min(1e-30);
      // The first query has nowhere else to look, and a query that only sees sinks keeps them.
      const at::Tensor keeps = (query_positions(text, queries) == 0).logical_or(rest <= 0.0);
      tile.scores = at::where(keeps, full, changed);
      tile.are_weights = true;
      return tile;
    };
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const at::Tensor sinks = sinks_of(of_head(text, head))[0];
    Explanation out;
    out.kind = ExplanationKind::groups;
    out.title = "Sinks that are calibrated";
    out.key_groups = whole_numbers_of(at::where(sinks, 0, -1));
    return {out};
  }

  Rows reference(const PlainHead& head) const override {
    Rows pattern = softmax_over(head, [](std::int64_t, std::int64_t) { return true; });
    const auto tokens = static_cast<std::size_t>(head.tokens());
    std::vector<std::size_t> sinks;
    for (std::size_t k = 0; k < tokens; ++k) {
      double sum = 0.0;
      for (std::size_t i = k; i < tokens; ++i)
        sum += pattern[i][k];
      if (sum / static_cast<double>(tokens - k) > theta_) sinks.push_back(k);
    }
    if (!sinks.empty()) sinks.erase(sinks.begin());
    for (std::size_t i = 1; i < tokens; ++i) {
      Vector others = pattern[i];
      double freed = 0.0, rest = 0.0;
      for (const std::size_t k : sinks) {
        freed += (1.0 - beta_) * pattern[i][k];
        others[k] = 0.0;
      }
      for (const double weight : others)
        rest += weight;
      if (rest <= 0.0) continue;
      for (const std::size_t k : sinks)
        pattern[i][k] *= beta_;
      for (std::size_t k = 0; k <= i; ++k)
        pattern[i][k] += freed * others[k] / rest;
    }
    return pattern;
  }

private:
  // Bool [head, key]: keys whose mean weight over the queries that may see them is above theta, but for the first such
  // key. All queries count, so tiles of them are summed.
  at::Tensor sinks_of(const Text& text) const {
    constexpr std::int64_t step = 256;
    const std::int64_t keys = text.keys();
    at::Tensor sums = at::zeros({text.heads(), keys}, text.q.options().dtype(at::kDouble));
    for (std::int64_t begin = 0; begin < keys; begin += step) {
      const Range queries{begin, std::min(begin + step, keys)};
      const at::Tensor weights = full_scores(text, queries, Range{0, queries.end}).detach().softmax(-1);
      sums.narrow(1, 0, queries.end).add_(weights.sum(1, false, at::kDouble));
    }
    const at::Tensor seen_by = at::arange(keys, 0, -1, sums.options());
    const at::Tensor sinks = sums / seen_by > theta_;
    return sinks.logical_and(sinks.cumsum(1) > 1);
  }

  double theta_, beta_;
};

} // namespace

extern const MechanismDefinition act = {
    .info =
        {.id = "act",
         .title = "ACT: attention calibration",
         .what = "full attention; keys with a mean weight above `theta`, but for the first, keep `beta` of their "
                 "weight and give the rest to the other keys in proportion to their weights",
         .cost = "O(T²), twice",
         .reference = "arXiv 2406.15765; GATECH-EIC/ACT, which calibrates layers 2-30 of 32 in heads chosen by "
                      "accuracy",
         .equals_full = "beta = 1, or theta ≥ 1",
         .training = "none. Means are over the whole text, so later queries count; the original does not "
                     "calibrate decode steps, this one does by the text so far",
         .queries = QueryScope::beside,
         .weights = Weights::positive,
         .options = {{.name = "theta", .value = 0.1, .least = 0.0, .help = "mean weight above which a key is a sink"},
                     {.name = "beta", .value = 0.4, .least = 0.0, .most = 1.0, .help = "share that sinks keep"}}},
    .make = make<Act>};

} // namespace headscope::mechanisms
