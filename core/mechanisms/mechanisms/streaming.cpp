// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Streaming : public Mechanism {
public:
  explicit Streaming(const OptionValues& options) : sinks_(options.at("sinks")), window_(options.at("window")) {}

  TileFunction open(const Text& text) const override {
    return [&text, sinks = sinks_, window = window_](Range queries) {
      const std::int64_t begin = std::max<std::int64_t>(0, queries.begin - window + 1);
      std::vector<Range> keys = {{0, queries.end}};
      if (begin > sinks)
        keys =
            sinks > 0 ? std::vector<Range>{{0, sinks}, {begin, queries.end}} : std::vector<Range>{{begin, queries.end}};
      TileScores tile = full_scores(text, queries, keys);
      const at::Tensor key = key_positions(text, keys);
      const at::Tensor far = (query_positions(text, queries) - key >= window).logical_and(key >= sinks);
      tile.scores = tile.scores.masked_fill(far, not_visited);
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) { return j < sinks_ || i - j < window_; });
  }

private:
  std::int64_t sinks_, window_;
};

} // namespace

extern const MechanismDefinition streaming = {
    .info = {.id = "streaming",
             .title = "StreamingLLM: sinks and a window, at original positions",
             .what = "the first `sinks` tokens and the last `window`",
             .cost = "O(T (sinks + window))",
             .reference = "StreamingLLM, arXiv 2309.17453; mit-han-lab/streaming-llm",
             .equals_full = "sinks + window ≥ T",
             .training = "none",
             .options = {{.name = "sinks", .value = 4, .least = 0, .help = "first tokens that stay"},
                         {.name = "window", .value = 124, .least = 1, .help = "last tokens"}}},
    .make = make<Streaming>};

} // namespace headscope::mechanisms
