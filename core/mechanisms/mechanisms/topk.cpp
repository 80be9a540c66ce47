// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class TopK : public Mechanism {
public:
  explicit TopK(const OptionValues& options) : k_(options.at("k")) {}

  TileFunction open(const Text& text) const override {
    return [&text, k = k_](Range queries) {
      Tile tile = scores_of_all(text, queries);
      if (k >= queries.end) return tile;
      const at::Tensor chosen = std::get<1>(tile.scores.detach().topk(k, -1));
      const at::Tensor dropped = at::ones_like(tile.scores, at::kBool).scatter(-1, chosen, false);
      tile.scores = tile.scores.masked_fill(dropped, not_visited);
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    Rows pattern;
    for (std::int64_t i = 0; i < head.tokens(); ++i) {
      Vector scores(static_cast<std::size_t>(head.tokens()), not_visited), kept = scores;
      for (std::int64_t j = 0; j <= i; ++j)
        if (!head.hides(i, j)) scores[static_cast<std::size_t>(j)] = head.score(i, j);
      for (const std::int64_t j : largest(scores, k_))
        kept[static_cast<std::size_t>(j)] = scores[static_cast<std::size_t>(j)];
      pattern.push_back(softmax(kept));
    }
    return pattern;
  }

private:
  std::int64_t k_;
};

} // namespace

extern const MechanismDefinition topk = {
    .info = {.id = "topk",
             .title = "the k largest scores of each query",
             .what = "the `k` keys with the largest scores: the bound that the others are judged by",
             .cost = "O(T²): every score is computed",
             .reference = "Memory-efficient transformers via top-k attention, arXiv 2106.06899",
             .equals_full = "k ≥ T",
             .training = "none",
             .options = {{.name = "k", .value = 32, .least = 1, .help = "keys a query"}}},
    .make = make<TopK>};

} // namespace headscope::mechanisms
