// SPDX-License-Identifier: GPL-3.0-or-later
// HCAM's attention over chunks, without training: chunks are weighed by their mean key, keys within a chunk by softmax.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/chosen_blocks.h"
#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

namespace headscope::mechanisms {
namespace {

class Hcam : public Mechanism {
public:
  explicit Hcam(const OptionValues& options) : chunk_(options.at("chunk")), top_(options.at("top")) {}

  TileFunction open(const Text& text) const override {
    // Running sums of keys, so that the chunk of a query is summed up to the query itself.
    const at::Tensor sums = at::constant_pad_nd(text.k.to(at::kFloat).cumsum(1), {0, 0, 1, 0});
    return [&text, this, sums](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const std::int64_t count = (queries.end + chunk_ - 1) / chunk_;
      const at::Tensor chunk_score = scores_of_chunks(text, sums, queries, count);
      const at::Tensor shift = chunk_score - sums_within(tile.scores, count); // [head, query, chunk]
      const at::Tensor of_key = at::floor_divide(key_positions(text, tile.keys), chunk_).squeeze(0);
      tile.scores = tile.scores + shift.index_select(-1, of_key);
      return tile;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    return [&text, this](Range queries) {
      const at::Tensor sums = at::constant_pad_nd(text.k.to(at::kFloat).cumsum(1), {0, 0, 1, 0});
      return by_ranges(text, queries, top_ + 1, [&](Range range) { return z_of_chosen(text, sums, range); });
    };
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const at::Tensor sums = at::constant_pad_nd(one.k.to(at::kFloat).cumsum(1), {0, 0, 1, 0});
    const ExplainedUnits chunks{"Recall: the weight of each chunk", "Chunks", chunk_};
    return explain_units(one, chunks, [&](Range queries) {
      const std::int64_t count = (queries.end + chunk_ - 1) / chunk_;
      return scores_of_chunks(one, sums, queries, count).softmax(-1)[0];
    });
  }

  Rows reference(const PlainHead& head) const override {
    Rows pattern;
    for (std::int64_t i = 0; i < head.tokens(); ++i)
      pattern.push_back(reference_row(head, i));
    return pattern;
  }

private:
  // q · mean key of a query's own chunk up to itself, [head, query, 1].
  at::Tensor own_scores(const Text& text, const at::Tensor& sums, Range queries) const {
    const at::Tensor q = take_queries(text, text.q, queries).to(at::kFloat), query = query_positions(text, queries);
    const at::Tensor first = at::floor_divide(query, chunk_) * chunk_;
    const at::Tensor part = sums.index_select(1, query.squeeze(1) + 1) - sums.index_select(1, first.squeeze(1));
    const std::int64_t rows = q.size(0) * q.size(1), d = q.size(2);
    return raw_scores(text, q.reshape({rows, 1, d}), (part / (query - first + 1)).reshape({rows, 1, d}))
        .view({q.size(0), q.size(1), 1});
  }

  // q · mean key of the chunks a query keeps, and -inf of the others.
  at::Tensor scores_of_chunks(const Text& text, const at::Tensor& sums, Range queries, std::int64_t count) const {
    const at::Tensor q = take_queries(text, text.q, queries).to(at::kFloat);
    const at::Tensor query = query_positions(text, queries), chunk = key_positions(text, {{0, count}});
    const at::Tensor own = at::floor_divide(query, chunk_), first = chunk.squeeze(0) * chunk_;
    const at::Tensor ends = (first + chunk_).clamp_max(text.keys());
    const at::Tensor means = (sums.index_select(1, ends) - sums.index_select(1, first)) / (ends - first).unsqueeze(1);
    at::Tensor scores = raw_scores(text, q, means);
    scores = at::where(chunk == own, own_scores(text, sums, queries), scores.masked_fill(chunk > own, not_visited));
    const at::Tensor older = scores.detach().masked_fill(chunk >= own, not_visited);
    const at::Tensor best = std::get<1>(older.topk(std::min(top_, count), -1));
    const at::Tensor kept = at::zeros_like(scores, at::kBool).scatter(-1, best, true).logical_or(chunk == own);
    return scores.masked_fill(kept.logical_not(), not_visited);
  }

  // z by the chunks that each query keeps.
  at::Tensor z_of_chosen(const Text& text, const at::Tensor& sums, Range queries) const {
    const at::Tensor asked = take_queries(text, text.q, queries);
    const std::int64_t whole = queries.end / chunk_;
    const at::Tensor first = key_positions(text, {{0, whole}}).squeeze(0) * chunk_;
    const at::Tensor means = (sums.index_select(1, first + chunk_) - sums.index_select(1, first)) / chunk_;
    const at::Tensor products = at::matmul(asked, means.to(asked.scalar_type()).transpose(1, 2));
    count_products(text, products, asked);
    kernels::BlockScores by;
    by.position = queries.begin, by.size = chunk_, by.first = 0;
    by.choices = std::min(top_, whole);
    const at::Tensor best = choose_blocks(products, by); // scale and soft cap keep the order
    at::Tensor score = products.gather(2, best.clamp_min(0)).to(at::kFloat) * text.scale;
    if (text.softcap) score = at::tanh(score / *text.softcap) * *text.softcap;
    const at::Tensor own = at::floor_divide(query_positions(text, queries), chunk_).expand({text.heads(), -1, 1});
    BlockChoice choice;
    choice.block = at::cat({best, own}, -1);
    choice.q = asked.unsqueeze(2).expand({asked.size(0), asked.size(1), choice.block.size(2), asked.size(2)});
    choice.k = text.k;
    choice.size = chunk_;
    const auto found = attend_blocks(text, queries, choice);
    if (!found) return {};
    const at::Tensor weights = at::cat({score, own_scores(text, sums, queries)}, -1);
    return mixed_blocks(*found, weights.masked_fill(found->log_sum_exp == not_visited, not_visited));
  }

  // log Σ exp of the scores of each chunk; 0 where none is seen.
  at::Tensor sums_within(const at::Tensor& scores, std::int64_t count) const {
    const at::Tensor by_chunk = at::constant_pad_nd(scores, {0, count * chunk_ - scores.size(2)}, not_visited)
                                    .view({scores.size(0), scores.size(1), count, chunk_});
    const at::Tensor empty = by_chunk.amax(-1) == not_visited;
    return by_chunk.masked_fill(empty.unsqueeze(-1), 0.0).logsumexp(-1).masked_fill(empty, 0.0);
  }

  double mean_score(const PlainHead& head, std::int64_t i, std::int64_t chunk) const {
    const std::int64_t begin = chunk * chunk_, end = std::min(begin + chunk_, i + 1);
    Vector mean(head.k.front().size(), 0.0);
    for (std::int64_t j = begin; j < end; ++j)
      for (std::size_t e = 0; e < mean.size(); ++e)
        mean[e] += PlainHead::at(head.k, j)[e] / static_cast<double>(end - begin);
    return head.capped(dot(PlainHead::at(head.q, i), mean));
  }

  Vector reference_row(const PlainHead& head, std::int64_t i) const {
    const std::int64_t own = i / chunk_;
    Vector scores;
    for (std::int64_t chunk = 0; chunk < own; ++chunk)
      scores.push_back(mean_score(head, i, chunk));
    std::vector<std::int64_t> kept = largest(scores, top_);
    kept.push_back(own);
    scores.push_back(mean_score(head, i, own));
    Vector row(static_cast<std::size_t>(head.tokens()), 0.0);
    double total = 0.0;
    for (const std::int64_t chunk : kept) {
      std::vector<std::int64_t> keys;
      Vector within;
      for (std::int64_t j = chunk * chunk_; j < std::min((chunk + 1) * chunk_, i + 1); ++j)
        if (!head.hides(i, j)) keys.push_back(j), within.push_back(head.score(i, j));
      if (keys.empty()) continue;
      const double weight = std::exp(scores[static_cast<std::size_t>(chunk)]);
      within = softmax(within);
      for (std::size_t n = 0; n < keys.size(); ++n)
        row[static_cast<std::size_t>(keys[n])] = weight * within[n];
      total += weight;
    }
    for (double& weight : row)
      weight /= total;
    return row;
  }

  std::int64_t chunk_, top_;
};

} // namespace

extern const MechanismDefinition hcam = {
    .info = {.id = "hcam",
             .title = "HCAM: attention over chunks, then within them",
             .what = "its own chunk and the `top` earlier ones with the largest q · mean key; the weight of a chunk is "
                     "the softmax of these, the weight of a key a softmax within its chunk",
             .cost = "O(T T / chunk) for the choice, O(T top chunk) keys attended",
             .reference = "arXiv 2105.14039; deepmind's hierarchical_transformer_memory, a memory beside attention",
             .equals_full = "chunk ≥ T",
             .training = "the original trains queries and summaries of chunks; as a drop-in it breaks the model",
             .drop_in = false,
             .options = {{.name = "chunk", .value = 64, .least = 1, .help = "tokens of a chunk"},
                         {.name = "top", .value = 4, .least = 0, .help = "chunks besides its own"}}},
    .make = make<Hcam>};

} // namespace headscope::mechanisms
