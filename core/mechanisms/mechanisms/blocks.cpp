// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/block_mask.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Blocks : public Mechanism {
public:
  explicit Blocks(BlockMask mask) : mask_(std::move(mask)) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      Tile tile = scores_of_all(text, queries);
      std::vector<at::Tensor> seen; // [query, key] a head, or one for all
      for (const std::int64_t head : text.heads_are)
        if (seen.empty() || mask_.differs_by_head())
          seen.push_back(mask_.sees(text.layer, head, queries, text.q.device()));
      at::Tensor visited = at::stack(seen).logical_and(tile.scores != not_visited);
      const at::Tensor itself = query_positions(text, queries) == key_positions(text, tile.keys);
      visited = visited.logical_or(visited.any(-1, true).logical_not().logical_and(itself));
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, this](Range queries) {
      std::vector<std::vector<QueryGroup>> by_head;
      for (const std::int64_t head : text.heads_are)
        if (by_head.empty() || mask_.differs_by_head()) by_head.push_back(mask_.groups(text.layer, head, queries));
      const SparseAttentionInput input = sparse_input(text, queries);
      const auto found = sparse_part(text, input, visited_by_groups(by_head, text.q.device()));
      if (!found) return at::Tensor{};
      const at::Tensor alone = (found->log_sum_exp == not_visited).squeeze(0).unsqueeze(-1);
      if (text.cost) text.cost->attended += alone.sum().item<std::int64_t>();
      return at::where(alone, text.v.narrow(1, queries.begin, queries.count()), found->z.squeeze(0));
    };
  }

  Rows reference(const PlainHead& head) const override {
    const auto seen = [&](std::int64_t i, std::int64_t j) {
      return !head.hides(i, j) && mask_.sees(head.layer, head.head, i, j);
    };
    std::vector<bool> sees_nothing;
    for (std::int64_t i = 0; i < head.tokens(); ++i) {
      bool any = false;
      for (std::int64_t j = 0; j <= i; ++j)
        any = any || seen(i, j);
      sees_nothing.push_back(!any);
    }
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) {
      return seen(i, j) || (i == j && sees_nothing[static_cast<std::size_t>(i)]);
    });
  }

private:
  BlockMask mask_;
};

Result<std::shared_ptr<const Mechanism>> make_blocks(const OptionValues& values) {
  HS_ASSIGN(BlockMask mask, BlockMask::read(values.text("file")));
  return std::shared_ptr<const Mechanism>(std::make_shared<Blocks>(std::move(mask)));
}

} // namespace

extern const MechanismDefinition blocks = {
    .info = {.id = "blocks",
             .title = "block masks by segments and rules",
             .what = "what the rules of a file allow: tokens lie in segments of named kinds, and the first rule that "
                     "fits a query's and a key's segments, layer and head says whether it is seen",
             .cost = "O(T · keys seen)",
             .reference = "SMITH, TNT, PartCrafter, Cut2Next, HGARN as files in resources/attention",
             .equals_full = "otherwise = seen, and no rule that hides",
             .training = "the originals train with their masks",
             .options = {{.name = "file", .value = "", .help = "a TOML file of segments and rules", .is_file = true}}},
    .make = make_blocks};

} // namespace headscope::mechanisms
