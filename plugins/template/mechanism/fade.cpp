// SPDX-License-Identifier: GPL-3.0-or-later
// A mechanism to start from: the farther a key lies back, the lower its score, as in ALiBi, except for the first tokens
// of the text. It has what every mechanism has: a description with options, a reference by the definition, and a form.
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"
#include "plugins/sdk/plugin.h"

namespace {

using namespace headscope::mechanisms;

class Fade : public Mechanism {
public:
  explicit Fade(const OptionValues& options) : slope_(options.number("slope")), sinks_(options.at("sinks")) {}

  // The form that runs: scores [head, query, key] of some of the text's queries, on its device, under autograd.
  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      Tile tile = scores_of_all(text, queries); // hidden keys are -inf already
      const at::Tensor keys = key_positions(text, tile.keys);
      const at::Tensor distance = query_positions(text, queries) - keys;
      tile.scores = tile.scores - slope_ * distance.masked_fill(keys < sinks_, 0);
      return tile;
    };
  }

  // The same in words of the definition, one query and one key at a time in double precision.
  Rows reference(const PlainHead& head) const override {
    return softmax_of(head, [&](std::int64_t query, std::int64_t key) {
      return head.score(query, key) - (key < sinks_ ? 0.0 : slope_ * static_cast<double>(query - key));
    });
  }

private:
  double slope_;
  std::int64_t sinks_;
};

const MechanismDefinition fade = {
    .info = {.id = "fade",
             .title = "scores that fall with distance",
             .what = "every earlier token; a score is lowered by `slope` a token of distance, but not those of the "
                     "first `sinks` tokens",
             .cost = "O(T²)",
             .reference = "ALiBi, arXiv 2108.12409, with one slope for all heads",
             .equals_full = "slope = 0",
             .training = "the original is trained with it, in place of other positions",
             .options = {{.name = "slope", .value = 0.05, .least = 0, .most = 1e6, .help = "of a score, a token"},
                         {.name = "sinks", .value = 4, .least = 0, .help = "first tokens, which do not fade"}}},
    .make = make<Fade>};

} // namespace

HEADSCOPE_MECHANISM_PLUGIN(fade)
