// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Halo : public Mechanism {
public:
  explicit Halo(const OptionValues& options) : block_(options.at("block")), halo_(options.at("halo")) {}

  TileFunction open(const Text& text) const override {
    return [&text, block = block_, halo = halo_](Range queries) {
      const std::int64_t begin = std::max<std::int64_t>(0, queries.begin / block * block - halo);
      TileScores tile = full_scores(text, queries, std::vector<Range>{{begin, queries.end}});
      const at::Tensor query = query_positions(text, queries), key = key_positions(text, tile.keys);
      const at::Tensor first = query - query.remainder(block) - halo;
      tile.scores = tile.scores.masked_fill(key < first, not_visited);
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) { return j >= i / block_ * block_ - halo_; });
  }

private:
  std::int64_t block_, halo_;
};

} // namespace

extern const MechanismDefinition halo = {
    .info = {.id = "halo",
             .title = "blocks with a halo, in one dimension",
             .what = "earlier tokens of its own block and the `halo` tokens before that block",
             .cost = "O(T (block + halo))",
             .reference = "HaloNets, arXiv 2103.12731",
             .equals_full = "halo ≥ T, or block ≥ T",
             .training = "none, but a model that was trained with full attention loses its sinks",
             .options = {{.name = "block", .value = 64, .least = 1, .help = "tokens of a block"},
                         {.name = "halo", .value = 64, .least = 0, .help = "tokens before the block"}}},
    .make = make<Halo>};

} // namespace headscope::mechanisms
