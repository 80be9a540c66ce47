// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

class Streaming : public Mechanism {
public:
  explicit Streaming(const OptionValues& options)
      : sinks_(options.at("sinks")), window_(options.at("window")), in_cache_(options.at("positions") == 1) {}

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      const std::int64_t begin = std::max<std::int64_t>(0, queries.begin - window_ + 1);
      const std::int64_t sinks = std::min(sinks_, queries.end);
      std::vector<Range> keys = {{0, queries.end}};
      if (sinks < begin) keys = {{0, sinks}, {begin, queries.end}};
      if (sinks == 0) keys = {{begin, queries.end}};
      Tile tile = full_scores(text, queries, keys);
      const at::Tensor key = key_positions(text, keys), distance = query_positions(text, queries) - key;
      if (in_cache_ && queries.end > cache())
        tile.scores = at::where(distance >= window_, evicted(text, queries, keys), tile.scores);
      tile.scores = tile.scores.masked_fill((distance >= window_).logical_and(key >= sinks_), not_visited);
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    if (in_cache_) return [&text, this](Range queries) { return z_in_cache(text, queries); };
    return [&text, this](Range queries) {
      const SparseAttentionInput input = sparse_input(text, queries);
      return sparse_output(text, input,
                           streaming_keys(queries.count(), queries.begin, sinks_, window_, text.q.device()));
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_of(head, [&](std::int64_t i, std::int64_t j) {
      if (j >= sinks_ && i - j >= window_) return not_visited;
      if (!in_cache_) return head.score(i, j);
      // The place of a key in the cache: sinks first, then the last tokens.
      const std::int64_t place = j < sinks_ || i < cache() ? j : j - (i + 1 - cache());
      const Vector q = head.rotate(PlainHead::at(head.unrotated_q, i), std::min(i, cache() - 1));
      return head.capped(dot(q, head.rotate(PlainHead::at(head.unrotated_k, j), place)));
    });
  }

  bool before_rotary() const override { return in_cache_; }

  std::optional<std::int64_t> reach() const override {
    if (sinks_ > 0 && !in_cache_) return std::nullopt;
    return sinks_ + window_;
  }

private:
  std::int64_t cache() const { return sinks_ + window_; }

  // Scores of the sinks for queries whose cache is full: the query stands at the cache's last place, so its distance to
  // a sink no longer grows. Distances within the window are the same in both counts.
  at::Tensor evicted(const Text& text, Range queries, const std::vector<Range>& keys) const {
    const at::Tensor q = text.unrotated_q.narrow(1, queries.begin - text.first, queries.count());
    const at::Tensor place = query_positions(text, queries).squeeze(1).clamp_max(cache() - 1);
    const at::Tensor scores = raw_scores(text, text.rotate(q, place), take_keys(text.k, keys));
    if (!text.window) return scores;
    const at::Tensor distance = query_positions(text, queries) - key_positions(text, keys);
    return scores.masked_fill(distance >= *text.window, not_visited);
  }

  // z of queries that stand at the cache's last place where the text is longer: the window as it is, and the sinks with
  // queries of their own.
  at::Tensor z_in_cache(const Text& text, Range queries) const {
    SparseAttentionInput input = sparse_input(text, queries);
    const auto recent = sparse_part(text, input, band_keys(input, window_, sinks_));
    if (sinks_ == 0) return joined_output({recent});
    const at::Tensor place = query_positions(text, queries).squeeze(1).clamp_max(cache() - 1);
    const at::Tensor q = text.unrotated_q.narrow(1, queries.begin - text.first, queries.count());
    input.q = text.rotate(q, place).unsqueeze(0);
    const auto sinks = static_cast<std::int32_t>(std::min(sinks_, queries.end));
    constexpr std::int64_t block = 128;
    const auto blocks = static_cast<std::size_t>((queries.count() + block - 1) / block);
    const std::vector<std::vector<kernels::KeyRun>> runs(blocks, {{0, sinks}});
    const VisitedKeys first = visited_keys(runs, block, text.q.device());
    return joined_output({recent, sparse_part(text, input, first)});
  }

  std::int64_t sinks_, window_;
  bool in_cache_;
};

} // namespace

extern const MechanismDefinition streaming = {
    .info = {.id = "streaming",
             .title = "StreamingLLM: sinks and a window",
             .what =
                 "the first `sinks` tokens and the last `window`. positions=original: at the positions of the text; "
                 "positions=cache: at their places in a cache of sinks + window tokens, so that no distance grows "
                 "beyond it and texts may be longer than the model's context",
             .cost = "O(T (sinks + window))",
             .reference = "arXiv 2309.17453; mit-han-lab/streaming-llm, which counts positions=cache",
             .equals_full = "sinks + window ≥ T",
             .training = "none",
             .options = {{.name = "sinks", .value = 4, .least = 0, .help = "first tokens"},
                         {.name = "window", .value = 124, .least = 1, .help = "last tokens"},
                         {.name = "positions",
                          .value = 0,
                          .help = "how distances are counted",
                          .choices = {"original", "cache"}}}},
    .make = make<Streaming>};

} // namespace headscope::mechanisms
