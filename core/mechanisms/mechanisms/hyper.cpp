// SPDX-License-Identifier: GPL-3.0-or-later
// HyperAttention: queries and keys are sorted by a hash, attended block by block, and a sample of keys stands for the
// rest; causal by halves.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

struct HyperOptions {
  std::int64_t exact, block, sample, projections, seed;
};

// Random numbers that both forms take: splitmix64, so that they are the same everywhere.
class Draws {
public:
  explicit Draws(std::int64_t seed) : state_(static_cast<std::uint64_t>(seed)) {}
  std::uint64_t next() {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  double uniform() { return (static_cast<double>(next() >> 11) + 0.5) * 0x1.0p-53; }
  double normal() { return std::sqrt(-2.0 * std::log(uniform())) * std::cos(2.0 * std::numbers::pi * uniform()); }

private:
  std::uint64_t state_;
};

// Gaussian directions [projection][d_head], the same for all heads and calls.
Rows directions_of(const HyperOptions& options, std::int64_t d) {
  Draws draws(options.seed);
  Rows out(static_cast<std::size_t>(options.projections), Vector(static_cast<std::size_t>(d)));
  for (Vector& direction : out)
    for (double& value : direction)
      value = draws.normal();
  return out;
}

// The keys of a sample, which depend on where the quarter lies and on nothing else.
std::vector<std::int64_t> sample_of(const HyperOptions& options, Range queries, Range keys) {
  Draws draws(options.seed + 1 + 7919 * queries.begin + queries.end);
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < options.sample; ++i)
    out.push_back(static_cast<std::int64_t>(draws.next() % static_cast<std::uint64_t>(keys.count())));
  return out;
}

// Which block a place in the sorted order belongs to; queries have as many blocks as keys.
std::int64_t blocks_in(std::int64_t keys, std::int64_t block) { return std::max<std::int64_t>(1, keys / block); }
std::int64_t block_at(std::int64_t place, std::int64_t count, std::int64_t blocks) {
  return std::min(place / std::max<std::int64_t>(1, count / blocks), blocks - 1);
}

// The place of a code in Gray's order: neighbours differ in one bit.
std::int64_t gray_place(std::int64_t code) {
  for (std::int64_t shift = code >> 1; shift; shift >>= 1)
    code ^= shift;
  return code;
}

// ---- The form that runs

class Sorted {
public:
  Sorted(const Text& text, const HyperOptions& options) : text_(text), options_(options) {
    const std::int64_t d = text.q.size(2);
    std::vector<double> flat;
    for (const Vector& direction : directions_of(options, d))
      flat.insert(flat.end(), direction.begin(), direction.end());
    const at::Tensor directions =
        at::tensor(flat, at::kDouble).view({options.projections, d}).to(text.q.device()).to(at::kDouble);
    std::vector<std::int64_t> places(std::size_t{1} << options.projections);
    for (std::size_t code = 0; code < places.size(); ++code)
      places[code] = gray_place(static_cast<std::int64_t>(code));
    const at::Tensor powers = at::pow(2, at::arange(options.projections, at::kLong)).to(text.q.device());
    const at::Tensor place = at::tensor(places, at::kLong).to(text.q.device());
    const auto hashes = [&](const at::Tensor& x) {
      const at::Tensor signs = at::matmul(x.detach().to(at::kDouble), directions.t()) > 0.0;
      return place.index_select(0, (signs * powers).sum(-1).flatten()).view({x.size(0), x.size(1)});
    };
    q_hash_ = hashes(text.q);
    k_hash_ = hashes(text.k);
  }

  // Logarithms of weights over keys [0, queries.end) for queries of the text, before they are scaled to sum 1.
  at::Tensor scores(Range queries) const {
    const Range keys{0, queries.end};
    const at::Tensor full = full_scores(text_, queries, keys);
    at::Tensor out = at::full_like(full, not_visited);
    add(full, out, queries, {0, text_.keys()});
    return out;
  }

  // The block of each of a range's positions by hash, [head, pos].
  struct Blocks {
    at::Tensor queries, keys;
  };
  Blocks blocks(Range late, Range early) const {
    const std::int64_t blocks = blocks_in(early.count(), options_.block);
    const auto block_of = [&](const at::Tensor& hash, Range range) {
      const at::Tensor order = std::get<1>(hash.narrow(1, range.begin, range.count()).sort(true, 1, false));
      const at::Tensor place = order.argsort(1, false); // of each position in the sorted order
      const std::int64_t size = std::max<std::int64_t>(1, range.count() / blocks);
      return at::floor_divide(place, size).clamp_max(blocks - 1);
    };
    return {block_of(q_hash_, late), block_of(k_hash_, early)};
  }

private:
  // Fills in what queries of the tile see within a part of the text: exactly where it is short, else by halves.
  void add(const at::Tensor& full, at::Tensor& out, Range tile, Range part) const {
    const Range some{std::max(tile.begin, part.begin), std::min(tile.end, part.end)};
    if (some.count() <= 0) return;
    const auto cell = [&](const at::Tensor& x, Range keys) {
      return x.narrow(1, some.begin - tile.begin, some.count()).narrow(2, keys.begin, keys.count());
    };
    if (part.count() <= std::max<std::int64_t>(options_.exact, 1)) {
      const Range keys{part.begin, std::min(part.end, tile.end)};
      cell(out, keys).copy_(cell(full, keys));
      return;
    }
    const std::int64_t middle = part.begin + part.count() / 2;
    add(full, out, tile, {part.begin, middle});
    add(full, out, tile, {middle, part.end});
    const Range late{middle, part.end}, early{part.begin, middle}, asked{std::max(some.begin, middle), some.end};
    if (asked.count() <= 0) return;
    const at::Tensor quarter =
        full.narrow(1, asked.begin - tile.begin, asked.count()).narrow(2, early.begin, early.count());
    out.narrow(1, asked.begin - tile.begin, asked.count())
        .narrow(2, early.begin, early.count())
        .copy_(quarter + shifts(late, early, asked));
  }

  // What is added to the scores of a quarter: 0 within a query's block, the logarithm of what a sampled key stands for,
  // and -inf for keys that are neither.
  at::Tensor shifts(Range late, Range early, Range asked) const {
    const Blocks hashed = blocks(late, early);
    const at::Tensor q_block = hashed.queries.narrow(1, asked.begin - late.begin, asked.count());
    const at::Tensor same = q_block.unsqueeze(2) == hashed.keys.unsqueeze(1);
    const std::vector<std::int64_t> sample = sample_of(options_, late, early);
    std::vector<float> times(static_cast<std::size_t>(early.count()), 0.0F);
    for (const std::int64_t key : sample)
      times[static_cast<std::size_t>(key)] += 1.0F;
    const double stands_for =
        static_cast<double>(early.count()) / static_cast<double>(std::max<std::int64_t>(1, options_.sample));
    const at::Tensor drawn = (at::tensor(times).to(same.device()) * stands_for).log(); // -inf where it was not drawn
    return at::where(same, at::zeros({}, drawn.options()), drawn);
  }

  const Text& text_;
  HyperOptions options_;
  at::Tensor q_hash_, k_hash_; // [head, pos]: places in Gray's order
};

// ---- The reference

std::int64_t plain_hash(const Vector& x, const Rows& directions) {
  std::int64_t code = 0;
  for (std::size_t p = 0; p < directions.size(); ++p)
    if (dot(x, directions[p]) > 0.0) code += std::int64_t{1} << p;
  return gray_place(code);
}

// The block of each of a range's positions in the order of their hashes.
std::vector<std::int64_t> plain_blocks(const Rows& x, Range range, const Rows& directions, std::int64_t blocks) {
  std::vector<std::int64_t> hashes, order(static_cast<std::size_t>(range.count()));
  for (std::int64_t i = range.begin; i < range.end; ++i)
    hashes.push_back(plain_hash(PlainHead::at(x, i), directions));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return hashes[static_cast<std::size_t>(a)] < hashes[static_cast<std::size_t>(b)];
  });
  std::vector<std::int64_t> out(order.size());
  for (std::size_t place = 0; place < order.size(); ++place)
    out[static_cast<std::size_t>(order[place])] = block_at(static_cast<std::int64_t>(place), range.count(), blocks);
  return out;
}

void add_plainly(const PlainHead& head, const HyperOptions& options, const Rows& directions, Range part,
                 Rows& weights) {
  const auto weigh = [&](std::int64_t i, std::int64_t j, double times) {
    if (!head.hides(i, j))
      weights[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] += times * std::exp(head.score(i, j));
  };
  if (part.count() <= std::max<std::int64_t>(options.exact, 1)) {
    for (std::int64_t i = part.begin; i < part.end; ++i)
      for (std::int64_t j = part.begin; j <= i; ++j)
        weigh(i, j, 1.0);
    return;
  }
  const std::int64_t middle = part.begin + part.count() / 2;
  const Range early{part.begin, middle}, late{middle, part.end};
  add_plainly(head, options, directions, early, weights);
  add_plainly(head, options, directions, late, weights);
  const std::int64_t blocks = blocks_in(early.count(), options.block);
  const std::vector<std::int64_t> q_blocks = plain_blocks(head.q, late, directions, blocks);
  const std::vector<std::int64_t> k_blocks = plain_blocks(head.k, early, directions, blocks);
  const std::vector<std::int64_t> sample = sample_of(options, late, early);
  for (std::int64_t i = 0; i < late.count(); ++i) {
    const auto same = [&](std::int64_t j) {
      return q_blocks[static_cast<std::size_t>(i)] == k_blocks[static_cast<std::size_t>(j)];
    };
    for (std::int64_t j = 0; j < early.count(); ++j)
      if (same(j)) weigh(late.begin + i, early.begin + j, 1.0);
    for (const std::int64_t j : sample)
      if (!same(j))
        weigh(late.begin + i, early.begin + j,
              static_cast<double>(early.count()) / static_cast<double>(options.sample));
  }
}

class Hyper : public Mechanism {
public:
  explicit Hyper(const OptionValues& values)
      : options_{values.at("exact"), values.at("block"), values.at("sample"), values.at("projections"),
                 values.at("seed")} {}

  TileFunction open(const Text& text) const override {
    return [sorted = Sorted(text, options_)](Range queries) {
      return Tile{sorted.scores(queries), {{0, queries.end}}, {}, false, {}};
    };
  }

  Rows reference(const PlainHead& head) const override {
    const auto tokens = static_cast<std::size_t>(head.tokens());
    Rows weights(tokens, Vector(tokens, 0.0));
    const Rows directions = directions_of(options_, std::ssize(head.q.front()));
    add_plainly(head, options_, directions, {0, head.tokens()}, weights);
    for (Vector& row : weights) {
      const double sum = std::accumulate(row.begin(), row.end(), 0.0);
      for (double& weight : row)
        weight /= sum;
    }
    return weights;
  }

  // The hash blocks of the halves, one depth of halving after the other.
  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const Sorted sorted(one, options_);
    std::vector<Explanation> out;
    std::vector<Range> parts = {{0, one.keys()}};
    const auto long_enough = [&](Range part) { return part.count() > std::max<std::int64_t>(options_.exact, 1); };
    while (std::ranges::any_of(parts, long_enough)) {
      Explanation& each = out.emplace_back();
      each.kind = ExplanationKind::groups;
      each.title = "Hash blocks, halving " + std::to_string(out.size());
      each.key_groups.assign(static_cast<std::size_t>(one.keys()), -1);
      each.query_groups = each.key_groups;
      std::vector<Range> halves;
      std::int64_t first = 0; // number of the part's first block
      for (const Range part : parts) {
        if (!long_enough(part)) continue;
        const std::int64_t middle = part.begin + part.count() / 2;
        const Range early{part.begin, middle}, late{middle, part.end};
        const Sorted::Blocks blocks = sorted.blocks(late, early);
        put(each.query_groups, late.begin, blocks.queries[0] + first);
        put(each.key_groups, early.begin, blocks.keys[0] + first);
        first += blocks_in(early.count(), options_.block);
        halves.insert(halves.end(), {early, late});
      }
      parts = std::move(halves);
    }
    return out;
  }

private:
  static void put(std::vector<std::int64_t>& groups, std::int64_t begin, const at::Tensor& values) {
    std::ranges::copy(whole_numbers_of(values), groups.begin() + begin);
  }

  HyperOptions options_;
};

} // namespace

extern const MechanismDefinition hyper = {
    .info = {.id = "hyper",
             .title = "HyperAttention: hashed blocks and a sample",
             .what =
                 "texts of up to `exact` tokens fully; longer ones by halves: each half by itself, and of the second "
                 "half's queries to the first half's keys those in the same block after sorting by a hash of "
                 "`projections` signs, with `sample` drawn keys for the rest",
             .cost = "O(T log T) keys attended; this form computes all scores",
             .reference = "arXiv 2310.05869; insuhan/hyper-attn (block 256, sample 256, exact 4,096, 7 projections)",
             .equals_full = "exact ≥ T, or block ≥ T",
             .training = "none, but in all layers it costs a model much; the original patches some. It is exact for "
                         "single decode steps; here a step is the last query of the text up to it",
             .queries = QueryScope::beside,
             .drop_in = false,
             .options =
                 {{.name = "exact", .value = 4096, .least = 1, .help = "longest text that is attended fully"},
                  {.name = "block", .value = 256, .least = 1, .help = "keys of a block"},
                  {.name = "sample", .value = 256, .least = 0, .most = 65536, .help = "keys that are drawn; 0: none"},
                  {.name = "projections", .value = 7, .least = 1, .most = 16, .help = "signs of the hash"},
                  {.name = "seed", .value = 0, .least = 0, .help = "of projections and samples"}}},
    .make = make<Hyper>};

} // namespace headscope::mechanisms
