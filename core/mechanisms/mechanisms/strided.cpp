// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/spans.h"

namespace headscope::mechanisms {
namespace {

class Strided : public Mechanism {
public:
  Strided(const OptionValues& options, std::vector<Range> distances)
      : stride_(options.at("stride")), window_(options.at("window")), sinks_(options.at("sinks")),
        distances_(std::move(distances)) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor key = key_positions(text, tile.keys), distance = query_positions(text, queries) - key;
      at::Tensor visited = (distance < window_).logical_or(key < sinks_);
      if (stride_ > 0) visited = visited.logical_or(distance.remainder(stride_) == 0);
      for (const Range& each : distances_)
        visited = visited.logical_or((distance >= each.begin).logical_and(distance < each.end));
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) {
      const bool strides = stride_ > 0 && (i - j) % stride_ == 0;
      return strides || i - j < window_ || j < sinks_ || holds(distances_, i - j);
    });
  }

private:
  std::int64_t stride_, window_, sinks_;
  std::vector<Range> distances_;
};

Result<std::shared_ptr<const Mechanism>> make_strided(const OptionValues& values) {
  HS_ASSIGN(std::vector<Range> distances, parse_spans(values.text("distances"), "distances"));
  return std::shared_ptr<const Mechanism>(std::make_shared<Strided>(values, std::move(distances)));
}

} // namespace

extern const MechanismDefinition strided = {
    .info =
        {.id = "strided",
         .title = "every stride-th token, or given distances",
         .what =
             "tokens at multiples of `stride` before it, at the given `distances`, the last `window` tokens and the "
             "first `sinks`",
         .cost = "O(T (T / stride + window)) keys attended; this form computes all scores",
         .reference = "Sparse Transformers, arXiv 1904.10509",
         .equals_full = "stride = 1, or window ≥ T",
         .training = "none, but a model that was trained with full attention was not made for it",
         .options = {{.name = "stride", .value = 16, .least = 0, .help = "tokens; 0: none"},
                     {.name = "distances", .value = "", .help = "distances, e.g. 1+2+4+8-15"},
                     {.name = "window", .value = 1, .least = 1, .help = "last tokens"},
                     {.name = "sinks", .value = 0, .least = 0, .help = "first tokens that stay"}}},
    .make = make_strided};

} // namespace headscope::mechanisms
