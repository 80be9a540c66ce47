// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <limits>
#include <map>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

constexpr std::int64_t most = 1 << 30; // longer than any text, and a product of two is a number

class Halo : public Mechanism {
public:
  explicit Halo(const OptionValues& options)
      : block_(std::min(options.at("block"), most)), halo_(std::min(options.at("halo"), most)),
        width_(std::min(options.at("width"), most)) {}

  TileFunction open(const Text& text) const override {
    if (width_ > 0) return open_grid(text);
    return [&text, block = block_, halo = halo_](Range queries) {
      const std::int64_t begin = std::max<std::int64_t>(0, queries.begin / block * block - halo);
      Tile tile = full_scores(text, queries, std::vector<Range>{{begin, queries.end}});
      const at::Tensor query = query_positions(text, queries), key = key_positions(text, tile.keys);
      const at::Tensor first = query - query.remainder(block) - halo;
      tile.scores = tile.scores.masked_fill(key < first, not_visited);
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, this](Range queries) {
      std::map<std::pair<std::int64_t, std::int64_t>, QueryGroup> blocks; // by row and column; of a text by number
      for (std::int64_t i = queries.begin; i < queries.end; ++i) {
        const std::int64_t row = width_ > 0 ? i / width_ / block_ : 0, column = i % span() / block_;
        QueryGroup& group = blocks[{row, column}];
        if (group.queries.empty()) group.runs = runs_of(row, column, queries.end);
        group.queries.push_back(static_cast<std::int32_t>(i - queries.begin));
      }
      std::vector<QueryGroup> groups;
      for (auto& [place, group] : blocks)
        groups.push_back(std::move(group));
      return sparse_output(text, sparse_input(text, queries), visited_by_groups({groups}, text.q.device()));
    };
  }

  Rows reference(const PlainHead& head) const override {
    const auto near = [&](std::int64_t query, std::int64_t key) {
      const std::int64_t first = query / block_ * block_;
      return key >= first - halo_ && key < first + block_ + halo_;
    };
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) {
      if (width_ == 0) return j >= i / block_ * block_ - halo_;
      return near(i / width_, j / width_) && near(i % width_, j % width_);
    });
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t) const override {
    if (width_ > 0) return {units_of("Rows of pixels", width_, text.keys())};
    return {units_of("Blocks", block_, text.keys())};
  }

  std::optional<std::int64_t> reach() const override {
    return width_ == 0 ? block_ + halo_ : (block_ + halo_) * width_;
  }

private:
  // Tokens of a row.
  std::int64_t span() const { return width_ > 0 ? width_ : std::numeric_limits<std::int64_t>::max(); }

  // The keys around a block, a run for each row.
  std::vector<kernels::KeyRun> runs_of(std::int64_t row, std::int64_t column, std::int64_t keys) const {
    const std::int64_t from = std::max<std::int64_t>(0, column * block_ - halo_);
    const std::int64_t to = std::min(std::min(keys, span()), (column + 1) * block_ + halo_);
    const std::int64_t first = std::max<std::int64_t>(0, row * block_ - halo_);
    const std::int64_t last = width_ > 0 ? (row + 1) * block_ + halo_ : 1;
    std::vector<kernels::KeyRun> runs;
    for (std::int64_t at = first; at < last && (at == 0 || at * width_ < keys); ++at)
      runs.push_back(
          {static_cast<std::int32_t>(at * width_ + from), static_cast<std::int32_t>(std::min(at * width_ + to, keys))});
    return runs;
  }

  // A picture whose tokens run row by row.
  TileFunction open_grid(const Text& text) const {
    return [&text, this](Range queries) {
      const std::int64_t first_row = queries.begin / width_ / block_ * block_ - halo_;
      const std::int64_t begin = std::max<std::int64_t>(0, first_row * width_);
      Tile tile = full_scores(text, queries, std::vector<Range>{{begin, queries.end}});
      const at::Tensor query = query_positions(text, queries), key = key_positions(text, tile.keys);
      const auto near = [this](const at::Tensor& q, const at::Tensor& k) {
        const at::Tensor first = q - q.remainder(block_);
        return (k >= first - halo_).logical_and(k < first + block_ + halo_);
      };
      const at::Tensor rows = near(at::floor_divide(query, width_), at::floor_divide(key, width_));
      const at::Tensor visited = rows.logical_and(near(query.remainder(width_), key.remainder(width_)));
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  std::int64_t block_, halo_, width_;
};

} // namespace

extern const MechanismDefinition halo = {
    .info = {.id = "halo",
             .title = "blocks with a halo, in one or two dimensions",
             .what = "earlier tokens of its own block and the `halo` tokens before that block. width=W: tokens are "
                     "pixels of rows of W, and blocks of block × block pixels see `halo` pixels on each side",
             .cost = "O(T (block + halo))",
             .reference = "HaloNets, arXiv 2103.12731",
             .equals_full = "halo ≥ T, or block ≥ T",
             .training = "none, but a model that was trained with full attention loses its sinks",
             .options = {{.name = "block", .value = 64, .least = 1, .help = "tokens of a block"},
                         {.name = "halo", .value = 64, .least = 0, .help = "tokens before the block"},
                         {.name = "width", .value = 0, .least = 0, .help = "pixels of a row; 0: one dimension"}}},
    .make = make<Halo>};

} // namespace headscope::mechanisms
