// SPDX-License-Identifier: GPL-3.0-or-later
// Landmark attention without training: a block of keys is found by the mean of its keys in place of a landmark token.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/chosen_blocks.h"
#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

struct LandmarkOptions {
  std::int64_t block, top;
  bool grouped;
};

// What a tile knows of blocks of keys; every axis `block` numbers blocks from 0.
struct Blocks {
  at::Tensor score;      // [head, query, block]: q · mean key, scaled and capped
  at::Tensor best;       // int64 [head, query, choice]: chosen beside block 0 and the query's own
  at::Tensor best_score; // of these; -inf: there is none
  at::Tensor own;        // bool [query, block]: block 0 and the query's own
  at::Tensor of_key;     // [key] int64: the block of a key
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
  std::tie(out.best_score, out.best) = ranked.topk(std::min(options.top, count), -1);
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

// The same by the blocks that each query chooses: block 0, its own, and the best others.
at::Tensor z_of_chosen(const Text& text, const at::Tensor& means, Range queries, const LandmarkOptions& options) {
  const at::Tensor own = at::floor_divide(query_positions(text, queries), options.block); // [query, 1]
  const at::Tensor asked = take_queries(text, text.q, queries);
  const std::int64_t whole = std::min((queries.end + options.block - 1) / options.block, means.size(1));
  const at::Tensor products = at::matmul(asked, means.narrow(1, 0, whole).transpose(1, 2));
  count_products(text, products, asked);
  kernels::BlockScores by;
  by.position = queries.begin, by.size = options.block;
  by.choices = std::min(options.top, whole);
  const at::Tensor best = choose_blocks(products, by); // scale and soft cap keep the order
  const std::vector<std::int64_t> one = {text.heads(), queries.count(), 1};
  BlockChoice choice;
  choice.block = at::cat({at::zeros(one, best.options()), own.masked_fill(own == 0, -1).expand(one), best}, -1);
  choice.q = asked.unsqueeze(2).expand({asked.size(0), asked.size(1), choice.block.size(2), asked.size(2)});
  choice.k = text.k;
  choice.size = options.block;
  const auto found = attend_blocks(text, queries, choice);
  if (!found) return {};
  if (!options.grouped) return mixed_blocks(*found, found->log_sum_exp);
  at::Tensor seen = at::full_like(best, options.block); // keys of the block
  if (text.window) {
    const at::Tensor first = query_positions(text, queries) - (*text.window - 1); // that the model shows
    seen = (best + 1) * options.block - at::maximum(best * options.block, first.unsqueeze(0));
  }
  at::Tensor score = products.gather(2, best.clamp_min(0)).to(at::kFloat) * text.scale;
  if (text.softcap) score = at::tanh(score / *text.softcap) * *text.softcap;
  const at::Tensor of_best = (score + seen.clamp_min(0).to(at::kFloat).log()).masked_fill(best < 0, not_visited);
  return mixed_blocks(*found, at::cat({found->log_sum_exp.narrow(2, 0, 2), of_best}, -1));
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
      const at::Tensor chosen = at::zeros_like(blocks.score, at::kBool)
                                    .scatter(-1, blocks.best, blocks.best_score != not_visited)
                                    .logical_or(blocks.own);
      const at::Tensor visited = chosen.index_select(-1, blocks.of_key);
      if (options.grouped) tile.scores = grouped(tile.scores, blocks, options.block);
      tile.scores = tile.scores.masked_fill(visited.logical_not(), not_visited);
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, options = options_](Range queries) {
      const at::Tensor means = mean_keys(text, options.block);
      return by_ranges(text, queries, options.top + 2,
                       [&](Range range) { return z_of_chosen(text, means, range, options); });
    };
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const at::Tensor means = mean_keys(one, options_.block);
    const ExplainedUnits units{"Blocks that queries chose by their mean key", "Blocks", options_.block};
    return explain_units(one, units, [&](Range queries) {
      const Blocks blocks = blocks_of(one, means, queries, options_);
      return at::zeros_like(blocks.score, at::kBool).scatter(-1, blocks.best, blocks.best_score > not_visited)[0];
    });
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
             .cost = "O(T T / block) for the choice, O(T top block) keys attended",
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
