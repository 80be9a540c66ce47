// SPDX-License-Identifier: GPL-3.0-or-later
// No attention at all: the floor under which no mechanism falls in a comparison.
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class None : public Mechanism {
public:
  explicit None(const OptionValues&) {}

  TileFunction open(const Text& text) const override {
    return [&text](Range queries) {
      Tile tile = scores_of_all(text, queries);
      tile.scores = at::zeros_like(tile.scores);
      tile.are_weights = true;
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text](Range queries) { return at::zeros_like(take_queries(text, text.q, queries)); };
  }

  Rows reference(const PlainHead& head) const override {
    const auto tokens = static_cast<std::size_t>(head.tokens());
    return Rows(tokens, Vector(tokens, 0.0));
  }

  std::optional<std::int64_t> reach() const override { return 0; }
};

} // namespace

extern const MechanismDefinition none = {
    .info = {.id = "none",
             .title = "no attention",
             .what = "nothing: z is 0. What a task loses without attention is what attention is worth to it",
             .cost = "O(1)",
             .reference = "CAB, Shark-NLP/CAB: the benefit of attention",
             .equals_full = "never",
             .training = "none; it is the floor of comparisons",
             .weights = Weights::positive,
             .drop_in = false},
    .make = make<None>};

} // namespace headscope::mechanisms
