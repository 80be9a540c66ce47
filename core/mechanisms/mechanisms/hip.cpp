// SPDX-License-Identifier: GPL-3.0-or-later
// HiP: keys are chosen for a block of queries at once, by halving runs of keys and keeping the better halves.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

constexpr double hidden_representative = -1e30; // above an empty half, below every score

struct HipOptions {
  std::int64_t k, window, block_q, block_k, sinks;
  std::int64_t nodes() const { return k / block_k; }
};

// ---- The form that runs: all heads and query blocks of a tile together.

// Runs of key blocks [head, query_block, node].
struct Nodes {
  at::Tensor begin, count;
};

// The score of a key block for a query block, [head, query_block, key_block]: the largest over every other query and
// all keys of the block. `scores`: [head, query, key] of whole query blocks, the last of which may be short.
at::Tensor block_scores(const at::Tensor& scores, const HipOptions& options) {
  const std::int64_t heads = scores.size(0), queries = scores.size(1), keys = scores.size(2);
  const std::int64_t short_by = (options.block_q - queries % options.block_q) % options.block_q;
  at::Tensor x = at::constant_pad_nd(scores, {0, 0, 0, short_by}, not_visited);
  x = x.view({heads, -1, options.block_q, keys}).slice(2, 0, options.block_q, 2).amax(2);
  x = at::constant_pad_nd(x, {0, (options.block_k - keys % options.block_k) % options.block_k}, not_visited);
  return x.view({heads, x.size(1), -1, options.block_k}).amax(-1).clamp_min(hidden_representative);
}

// Divides the first `blocks` key blocks [query_block] into equal runs.
Nodes equal_runs(const at::Tensor& blocks, std::int64_t heads, std::int64_t nodes) {
  const at::Tensor total = blocks.clamp_min(nodes).view({1, -1, 1}), node = at::arange(nodes, blocks.options());
  const at::Tensor begin = at::floor_divide(total * node, nodes), end = at::floor_divide(total * (node + 1), nodes);
  const at::DimVector sizes = {heads, blocks.size(0), nodes};
  return {begin.expand(sizes), (end - begin).expand(sizes)};
}

// Splits every run in halves and keeps the best of them.
Nodes halve(const Nodes& runs, const at::Tensor& representatives) {
  const at::Tensor first = at::floor_divide(runs.count + 1, 2);
  const at::Tensor begin = at::cat({runs.begin, runs.begin + first}, -1);
  const at::Tensor count = at::cat({first, runs.count - first}, -1);
  at::Tensor score = representatives.gather(-1, begin.clamp_max(representatives.size(-1) - 1));
  score = score.masked_fill(count == 0, not_visited);
  const at::Tensor best = std::get<1>(score.topk(runs.begin.size(-1), -1));
  return {begin.gather(-1, best), count.gather(-1, best)};
}

// Hears what the choice of keys passes through: the runs that are kept, the keys before the window [query_block], and
// whether there are so many that a choice is needed [1, query_block, 1].
using Watch = std::function<void(const Nodes& runs, const at::Tensor& older, const at::Tensor& chooses)>;

// Bool [head, query_block, key]: the keys that a query block visits, before the causal order.
at::Tensor visited_by_blocks(const Text& text, const at::Tensor& scores, Range queries, const HipOptions& options,
                             const Watch& watch = {}) {
  const at::Tensor representatives = block_scores(scores, options);
  const std::int64_t keys = scores.size(2), count = representatives.size(1);
  const auto integers = at::TensorOptions().dtype(at::kLong).device(scores.device());
  const at::Tensor block_end =
      (at::arange(1, count + 1, integers) * options.block_q + queries.begin).clamp_max(text.keys());
  const at::Tensor older = (block_end - options.window).clamp_min(0); // keys before the window
  Nodes runs =
      equal_runs(at::floor_divide(older + options.block_k - 1, options.block_k), scores.size(0), options.nodes());
  const at::Tensor chooses = (older > options.k).view({1, -1, 1});
  if (watch) watch(runs, older, chooses);
  while (at::logical_and(runs.count > 1, chooses).any().item<bool>()) {
    runs = halve(runs, representatives);
    if (watch) watch(runs, older, chooses);
  }
  at::Tensor kept = at::zeros_like(representatives, at::kBool);
  kept = kept.scatter(-1, runs.begin.clamp_max(representatives.size(-1) - 1), true);
  const at::Tensor key = at::arange(keys, integers).view({1, 1, -1}), limit = older.view({1, -1, 1});
  return kept.repeat_interleave(options.block_k, -1)
      .narrow(-1, 0, keys)
      .logical_or(key >= limit)
      .logical_or(key < options.sinks)
      .logical_or(chooses.logical_not());
}

// The runs of one level as regions; blocks that take all older keys have none.
void add_runs(const Nodes& runs, const at::Tensor& older, const at::Tensor& chooses, Range queries,
              const HipOptions& options, std::vector<Explanation::Region>& regions) {
  const std::int64_t nodes = runs.begin.size(-1);
  const std::vector<std::int64_t> begins = whole_numbers_of(runs.begin.flatten()),
                                  counts = whole_numbers_of(runs.count.flatten()), limits = whole_numbers_of(older),
                                  choose = whole_numbers_of(chooses.flatten());
  for (std::size_t block = 0; block < limits.size(); ++block) {
    std::vector<Range> kept;
    const auto of_block = static_cast<std::size_t>(nodes);
    for (std::size_t node = block * of_block; choose[block] && node < (block + 1) * of_block; ++node) {
      const std::int64_t end = std::min((begins[node] + counts[node]) * options.block_k, limits[block]);
      if (begins[node] * options.block_k < end) kept.push_back({begins[node] * options.block_k, end});
    }
    std::ranges::sort(kept, {}, &Range::begin);
    const std::int64_t first = queries.begin + static_cast<std::int64_t>(block) * options.block_q;
    const std::int64_t last = std::min(first + options.block_q, queries.end);
    for (const Range& run : kept)
      if (!regions.empty() && regions.back().query_begin == first && regions.back().key_end == run.begin)
        regions.back().key_end = run.end; // neighbours are one run
      else
        regions.push_back({first, last, run.begin, run.end, 1.0});
  }
}

// ---- The reference: one query block at a time.

struct Run {
  std::int64_t begin, count;
};

double representative(const PlainHead& head, const HipOptions& options, Range queries, std::int64_t key_block) {
  double best = hidden_representative;
  for (std::int64_t i = queries.begin; i < queries.end; i += 2)
    for (std::int64_t j = key_block * options.block_k; j < (key_block + 1) * options.block_k; ++j)
      if (j < head.tokens() && !head.hides(i, j)) best = std::max(best, head.score(i, j));
  return best;
}

// Which of the first `older` keys the block's queries visit.
std::vector<bool> chosen_keys(const PlainHead& head, const HipOptions& options, Range queries, std::int64_t older) {
  std::vector<bool> chosen(static_cast<std::size_t>(head.tokens()), older <= options.k);
  if (older <= options.k) return chosen;
  const std::int64_t blocks = (older + options.block_k - 1) / options.block_k, nodes = options.nodes();
  std::vector<Run> runs;
  for (std::int64_t node = 0; node < nodes; ++node)
    runs.push_back({blocks * node / nodes, blocks * (node + 1) / nodes - blocks * node / nodes});
  while (std::any_of(runs.begin(), runs.end(), [](const Run& run) { return run.count > 1; })) {
    std::vector<Run> halves;
    for (const Run& run : runs)
      halves.push_back({run.begin, (run.count + 1) / 2});
    for (const Run& run : runs)
      if (run.count > 1) halves.push_back({run.begin + (run.count + 1) / 2, run.count / 2});
    Vector scores;
    for (const Run& half : halves)
      scores.push_back(representative(head, options, queries, half.begin));
    runs.clear();
    for (const std::int64_t best : largest(scores, nodes))
      runs.push_back(halves[static_cast<std::size_t>(best)]);
  }
  for (const Run& run : runs)
    for (std::int64_t j = run.begin * options.block_k; j < (run.begin + 1) * options.block_k; ++j)
      if (j < head.tokens()) chosen[static_cast<std::size_t>(j)] = true;
  return chosen;
}

class Hip : public Mechanism {
public:
  explicit Hip(HipOptions options) : options_(options) {}

  TileFunction open(const Text& text) const override {
    return [&text, options = options_](Range queries) {
      const std::int64_t b = options.block_q;
      const Range blocks{queries.begin / b * b, std::min((queries.end + b - 1) / b * b, text.keys())};
      const Range keys{0, blocks.end};
      const at::Tensor scores = full_scores(text, blocks, keys);
      at::Tensor visited = visited_by_blocks(text, scores.detach(), blocks, options);
      visited = visited.repeat_interleave(b, 1).narrow(1, 0, blocks.count());
      const at::Tensor masked = scores.masked_fill(visited.logical_not(), not_visited);
      return Tile{masked.narrow(1, queries.begin - blocks.begin, queries.count()), {keys}};
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, options = options_](Range queries) {
      const Range blocks = from_block(queries, options.block_q);
      const SparseAttentionInput input = sparse_input(text, blocks);
      const auto keys =
          hip_keys(input, {options.k, options.window, options.block_q, options.block_k, options.sinks}, text.cost);
      const at::Tensor z = keys ? sparse_output(text, input, *keys) : at::Tensor{};
      return z.defined() ? z.narrow(1, queries.begin - blocks.begin, queries.count()) : z;
    };
  }

  Rows reference(const PlainHead& head) const override {
    std::vector<std::vector<bool>> chosen;
    std::vector<std::int64_t> older;
    for (std::int64_t begin = 0; begin < head.tokens(); begin += options_.block_q) {
      const std::int64_t end = std::min(begin + options_.block_q, head.tokens());
      older.push_back(std::max<std::int64_t>(0, end - options_.window));
      chosen.push_back(chosen_keys(head, options_, {begin, end}, older.back()));
    }
    return softmax_over(head, [&](std::int64_t i, std::int64_t j) {
      const auto block = static_cast<std::size_t>(i / options_.block_q);
      return j >= older[block] || j < options_.sinks || chosen[block][static_cast<std::size_t>(j)];
    });
  }

  // The tree: the runs that are kept after each halving. Blocks whose choice has ended keep it.
  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const std::int64_t step = std::max<std::int64_t>(1, 256 / options_.block_q) * options_.block_q;
    std::vector<std::vector<std::vector<Explanation::Region>>> tiles; // [tile][level]
    std::size_t levels = 0;
    for (std::int64_t begin = 0; begin < one.keys(); begin += step) {
      const Range blocks{begin, std::min(begin + step, one.keys())};
      auto& of_tile = tiles.emplace_back();
      visited_by_blocks(one, full_scores(one, blocks, Range{0, blocks.end}).detach(), blocks, options_,
                        [&](const Nodes& runs, const at::Tensor& older, const at::Tensor& chooses) {
                          add_runs(runs, older, chooses, blocks, options_, of_tile.emplace_back());
                        });
      levels = std::max(levels, of_tile.size());
    }
    std::vector<Explanation> out;
    for (std::size_t level = 0; level < levels; ++level) {
      Explanation& each = out.emplace_back();
      each.title = level == 0
                       ? "Tree: runs before the first halving"
                       : "Tree: runs kept after halving " + std::to_string(level) + " of " + std::to_string(levels - 1);
      for (const auto& tile : tiles) {
        const auto& regions = tile[std::min(level, tile.size() - 1)];
        each.regions.insert(each.regions.end(), regions.begin(), regions.end());
      }
    }
    return out;
  }

private:
  HipOptions options_;
};

Result<std::shared_ptr<const Mechanism>> make_hip(const OptionValues& values) {
  const HipOptions options{values.at("k"), values.at("window"), values.at("block_q"), values.at("block_k"),
                           values.at("sinks")};
  if (options.k % options.block_k != 0)
    return make_error(ErrorCode::invalid_argument, "must be a multiple of block_k", {}, "k");
  if (options.window < options.block_q)
    return make_error(ErrorCode::invalid_argument, "must be at least block_q, so that a query sees itself", {},
                      "window");
  return std::shared_ptr<const Mechanism>(std::make_shared<Hip>(options));
}

} // namespace

extern const MechanismDefinition hip = {
    .info =
        {.id = "hip",
         .title = "HiP: hierarchically pruned attention",
         .what = "for a block of queries the last `window` tokens and `k` older keys, found by halving runs of keys "
                 "and keeping those whose first key scores highest",
         .cost = "O(T k log T) for the choice, O(T (k + window)) keys attended",
         .reference = "arXiv 2406.09827; DeepAuto-AI/hip-attention v1.1",
         .equals_full = "k + window ≥ T",
         .training = "none",
         .queries = QueryScope::beside,
         .options = {{.name = "k", .value = 512, .least = 1, .help = "older keys of a query block"},
                     {.name = "window", .value = 128, .least = 1, .help = "last tokens, counted from the block's end"},
                     {.name = "block_q", .value = 32, .least = 1, .help = "queries that share a choice"},
                     {.name = "block_k", .value = 2, .least = 1, .help = "keys that are chosen together"},
                     {.name = "sinks", .value = 0, .least = 0, .help = "first tokens that stay"}}},
    .make = make_hip};

} // namespace headscope::mechanisms
