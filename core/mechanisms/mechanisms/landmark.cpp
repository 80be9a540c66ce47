// SPDX-License-Identifier: GPL-3.0-or-later
// Landmark attention without training: a block of keys is found by the mean of its keys in place of a landmark token.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

struct LandmarkOptions {
  std::int64_t block, top;
  bool grouped;
};

// What a tile knows of blocks of keys; every axis `block` numbers blocks from 0.
struct Blocks {
  at::Tensor score;  // [head, query, block]: q · mean key, scaled and capped
  at::Tensor chosen; // bool [head, query, block]: beside block 0 and the query's own
  at::Tensor own;    // bool [query, block]: block 0 and the query's own
  at::Tensor of_key; // [key] int64: the block of a key
};

// The mean key of every whole block, [head, block, d_head].
at::Tensor mean_keys(const Text& text, std::int64_t block) {
  const std::int64_t whole = text.keys() / block;
  return text.k.narrow(1, 0, whole * block).reshape({text.heads(), whole, block, text.k.size(2)}).mean(2);
}

Blocks blocks_of(const Text& text, const at::Tensor& means, Range queries, const LandmarkOptions& options) {
  Blocks out;
  const std::int64_t count = (queries.end + options.block - 1) / options.block;
  const std::int64_t whole = std::min(count, means.size(1));
  const at::Tensor q = text.q.narrow(1, queries.begin - text.first, queries.count());
  out.score = at::constant_pad_nd(raw_scores(text, q, means.narrow(1, 0, whole)), {0, count - whole}, not_visited);
  const at::Tensor block = key_positions(text, {{0, count}});
  const at::Tensor own = at::floor_divide(query_positions(text, queries), options.block);
  out.own = (block == own).logical_or(block == 0);
  const at::Tensor candidates = (block > 0).logical_and(block < own);
  const at::Tensor ranked = out.score.detach().masked_fill(candidates.logical_not(), not_visited);
  const at::Tensor best = std::get<1>(ranked.topk(std::min(options.top, count), -1));
  out.chosen = at::zeros_like(ranked, at::kBool).scatter(-1, best, true).logical_and(candidates);
  out.of_key = at::floor_divide(key_positions(text, {{0, queries.end}}), options.block).squeeze(0);
  return out;
}

// Turns scores of keys in chosen blocks into logarithms of weight within the block times weight of the block.
at::Tensor grouped(const at::Tensor& scores, const Blocks& blocks, std::int64_t block) {
  const std::int64_t short_by = blocks.own.size(1) * block - scores.size(2);
  const at::Tensor by_block = at::constant_pad_nd(scores, {0, short_by}, not_visited)
                                  .view({scores.size(0), scores.size(1), blocks.own.size(1), block});
  const at::Tensor seen = by_block.isfinite().sum(-1);
  const at::Tensor some = seen > 0;
  const at::Tensor sums = by_block.masked_fill(some.logical_not().unsqueeze(-1), 0.0).logsumexp(-1);
  const at::Tensor shift = (blocks.score + seen.to(at::kFloat).log() - sums).masked_fill(some.logical_not(), 0.0);
  const at::Tensor moved = scores + shift.index_select(-1, blocks.of_key);
  return at::where(blocks.own.index_select(-1, blocks.of_key), scores, moved);
}

// ---- The reference

double mean_score(const PlainHead& head, std::int64_t i, std::int64_t block, std::int64_t size) {
  Vector mean(head.q.front().size(), 0.0);
  for (std::int64_t j = block * size; j < (block + 1) * size; ++j)
    for (std::size_t e = 0; e < mean.size(); ++e)
      mean[e] += PlainHead::at(head.k, j)[e] / static_cast<double>(size);
  return head.capped(dot(PlainHead::at(head.q, i), mean));
}

// The keys of a block that the query sees.
std::vector<std::int64_t> seen_keys(const PlainHead& head, std::int64_t i, std::int64_t block, std::int64_t size) {
  std::vector<std::int64_t> keys;
  for (std::int64_t j = block * size; j < std::min((block + 1) * size, i + 1); ++j)
    if (!head.hides(i, j)) keys.push_back(j);
  return keys;
}

Vector scores_of(const PlainHead& head, std::int64_t i, const std::vector<std::int64_t>& keys) {
  Vector scores;
  for (const std::int64_t j : keys)
    scores.push_back(head.score(i, j));
  return scores;
}

// One row of the pattern: groups of keys with a weight each before normalising, and weights within each.
Vector reference_row(const PlainHead& head, std::int64_t i, const LandmarkOptions& options) {
  const std::int64_t own = i / options.block;
  Vector ranked;
  for (std::int64_t block = 1; block < own; ++block)
    ranked.push_back(mean_score(head, i, block, options.block));
  Vector row(static_cast<std::size_t>(head.tokens()), 0.0);
  double total = 0.0;
  const auto add = [&](std::int64_t key, double weight) { total += row[static_cast<std::size_t>(key)] = weight; };
  for (std::int64_t block = 0; block <= own; block += std::max<std::int64_t>(own, 1))
    for (const std::int64_t j : seen_keys(head, i, block, options.block))
      add(j, std::exp(head.score(i, j)));
  for (const std::int64_t best : largest(ranked, options.top)) {
    const std::vector<std::int64_t> keys = seen_keys(head, i, best + 1, options.block);
    if (keys.empty()) continue;
    const Vector scores = scores_of(head, i, keys), within = softmax(scores);
    const double of_block = std::exp(ranked[static_cast<std::size_t>(best)]) * static_cast<double>(keys.size());
    for (std::size_t n = 0; n < keys.size(); ++n)
      add(keys[n], options.grouped ? of_block * within[n] : std::exp(scores[n]));
  }
  for (double& weight : row)
    weight /= total;
  return row;
}

class Landmark : public Mechanism {
public:
  explicit Landmark(const OptionValues& values)
      : options_{values.at("block"), values.at("top"), values.at("gate") == 1} {}

  TileFunction open(const Text& text) const override {
    return [&text, options = options_, means = mean_keys(text, options_.block)](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const Blocks blocks = blocks_of(text, means, queries, options);
      const at::Tensor visited = blocks.chosen.logical_or(blocks.own).index_select(-1, blocks.of_key);
      if (options.grouped) tile.scores = grouped(tile.scores, blocks, options.block);
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const at::Tensor means = mean_keys(one, options_.block);
    RegionRows rows;
    for (std::int64_t begin = 0; begin < one.keys(); begin += 256) {
      const Range queries{begin, std::min(begin + 256, one.keys())};
      add_units(rows, blocks_of(one, means, queries, options_).chosen[0], begin, options_.block, one.keys());
    }
    Explanation chosen;
    chosen.title = "Blocks that queries chose by their mean key";
    chosen.regions = rows.take();
    return {chosen, units_of("Blocks", options_.block, one.keys())};
  }

  Rows reference(const PlainHead& head) const override {
    Rows pattern;
    for (std::int64_t i = 0; i < head.tokens(); ++i)
      pattern.push_back(reference_row(head, i, options_));
    return pattern;
  }

private:
  LandmarkOptions options_;
};

} // namespace

extern const MechanismDefinition landmark = {
    .info = {.id = "landmark",
             .title = "blocks of keys, found by their mean key",
             .what =
                 "its own block, block 0, and the `top` other blocks with the largest q · mean key. gate=flat: one "
                 "softmax over all their keys; gate=grouped: a softmax within each chosen block times the weight of "
                 "the block, exp(q · mean key) times its length, as landmark tokens do",
             .cost = "O(T (T / block + top block)) keys attended; this form computes all scores",
             .reference = "Landmark Attention, arXiv 2305.16300; epfml/landmark-attention",
             .equals_full = "gate=flat: block (top + 2) ≥ T, or block ≥ T; gate=grouped: at most 2 blocks",
             .training =
                 "the original trains landmark tokens; here the mean key stands for them. gate=grouped breaks a "
                 "model that was not trained for it",
             .options = {{.name = "block", .value = 64, .least = 1, .help = "tokens of a block"},
                         {.name = "top", .value = 4, .least = 0, .help = "blocks besides the first and its own"},
                         {.name = "gate",
                          .value = 0,
                          .least = 0,
                          .help = "how blocks are weighed",
                          .choices = {"flat", "grouped"}}}},
    .make = make<Landmark>};

} // namespace headscope::mechanisms
