// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Strided : public Mechanism {
public:
  explicit Strided(const OptionValues& options)
      : stride_(options.at("stride")), window_(options.at("window")), sinks_(options.at("sinks")) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      TileScores tile = full_scores(text, queries, std::vector<Range>{{0, queries.end}});
      const at::Tensor key = key_positions(text, tile.keys), distance = query_positions(text, queries) - key;
      const at::Tensor visited =
          (distance.remainder(stride_) == 0).logical_or(distance < window_).logical_or(key < sinks_);
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(
        head, [&](std::int64_t i, std::int64_t j) { return (i - j) % stride_ == 0 || i - j < window_ || j < sinks_; });
  }

private:
  std::int64_t stride_, window_, sinks_;
};

} // namespace

extern const MechanismDefinition strided = {
    .info = {.id = "strided",
             .title = "every stride-th token",
             .what = "tokens at multiples of `stride` before it, the last `window` tokens and the first `sinks`",
             .cost = "O(T (T / stride + window)) keys attended; this form computes all scores",
             .reference = "Sparse Transformers, arXiv 1904.10509",
             .equals_full = "stride = 1, or window ≥ T",
             .training = "none, but a model that was trained with full attention was not made for it",
             .options = {{.name = "stride", .value = 16, .least = 1, .help = "tokens"},
                         {.name = "window", .value = 1, .least = 1, .help = "last tokens"},
                         {.name = "sinks", .value = 0, .least = 0, .help = "first tokens that stay"}}},
    .make = make<Strided>};

} // namespace headscope::mechanisms
