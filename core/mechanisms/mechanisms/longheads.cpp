// SPDX-License-Identifier: GPL-3.0-or-later
// LongHeads: each query chooses chunks of keys by a summary of each, and sees them side by side at positions that the
// model knows.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

struct LongHeadsOptions {
  std::int64_t chunk, chunks, begin;
};

constexpr double most = 1 << 30; // of chunks and of their tokens, so that the product is a number

// ---- The form that runs

at::Tensor within_chunk(const at::Tensor& like, std::int64_t count, std::int64_t chunk) {
  return at::arange(count, at::TensorOptions().dtype(at::kLong).device(like.device())).remainder(chunk);
}

// k before rotary, rotated by the place within the chunk: [head, key, d_head].
at::Tensor keys_by_place(const Text& text, std::int64_t chunk) {
  return text.rotate(text.unrotated_k, within_chunk(text.k, text.keys(), chunk));
}

// The summary of every whole chunk, [head, chunk, d_head]: the mean output of the chunk's attention to itself attends
// to the chunk's keys, which are also the values.
at::Tensor chunk_keys(const Text& text, const at::Tensor& by_place, std::int64_t chunk) {
  const std::int64_t heads = text.heads(), d = text.k.size(2), count = text.keys() / chunk;
  const auto in_chunks = [&](const at::Tensor& x) {
    return x.narrow(1, 0, count * chunk).reshape({heads * count, chunk, d});
  };
  const at::Tensor places = within_chunk(text.k, text.keys(), chunk);
  const at::Tensor q = in_chunks(text.rotate(text.unrotated_q, places)), k = in_chunks(by_place), v = in_chunks(text.v);
  const at::Tensor hidden = at::ones({chunk, chunk}, q.options().dtype(at::kBool)).triu(1);
  const at::Tensor own = raw_scores(text, q, k).masked_fill(hidden, not_visited).softmax(-1).to(v.scalar_type());
  const at::Tensor summary = at::matmul(own, v).mean(1, true);
  const at::Tensor weights = raw_scores(text, summary, k).softmax(-1).to(k.scalar_type());
  return at::matmul(weights, k).view({heads, count, d});
}

// The place in the row of chosen chunks, [head, query, chunk] int64; -1: not chosen.
at::Tensor places_of(const Text& text, const at::Tensor& summaries, Range queries, const LongHeadsOptions& options) {
  const std::int64_t count = (queries.end + options.chunk - 1) / options.chunk;
  const std::int64_t whole = std::min(count, summaries.size(1));
  const at::Tensor q = text.unrotated_q.narrow(1, queries.begin, queries.count()).detach();
  const at::Tensor own = at::floor_divide(query_positions(text, queries), options.chunk);
  const at::Tensor chunk = key_positions(text, {{0, count}});
  at::Tensor ranked = at::constant_pad_nd(at::matmul(q, summaries.narrow(1, 0, whole).transpose(1, 2)).to(at::kFloat),
                                          {0, count - whole}, not_visited);
  const at::Tensor candidates = (chunk > 0).logical_and(chunk < own - 1);
  ranked = ranked.masked_fill(candidates.logical_not(), not_visited);
  const at::Tensor best = std::get<1>(ranked.topk(std::min(options.chunks - 3, count), -1));
  const at::Tensor chosen = at::zeros_like(ranked, at::kBool)
                                .scatter(-1, best, true)
                                .logical_and(candidates)
                                .logical_or(chunk == 0)
                                .logical_or(chunk >= own - 1)
                                .logical_or(own < options.chunks)
                                .logical_and(chunk <= own);
  return at::where(chosen, chosen.to(at::kLong).cumsum(-1) - 1, -1);
}

// Turning the query back by a chunk's place is turning the chunk's keys forward by it, so every query gets one rotation
// for each place, and each chunk is multiplied by the one that belongs to its place.
at::Tensor placed_scores(const Text& text, const at::Tensor& by_place, const at::Tensor& places, Range queries,
                         const LongHeadsOptions& options) {
  const std::int64_t heads = text.heads(), d = text.q.size(2), count = places.size(-1), size = options.chunk;
  const at::Tensor position = query_positions(text, queries).squeeze(1);
  const at::Tensor row = at::floor_divide(position, size).clamp_max(options.chunks - 1) * size +
                         position.remainder(size); // the query's place in its row of chunks
  const at::Tensor q = text.unrotated_q.narrow(1, queries.begin, queries.count());
  std::vector<at::Tensor> by_turn;
  for (std::int64_t place = 0; place < std::min(options.chunks, count); ++place)
    by_turn.push_back(text.rotate(q, row - place * size));
  const at::Tensor turn = places.clamp_min(0).unsqueeze(-1).expand({heads, queries.count(), count, d});
  const at::Tensor turned = at::stack(by_turn, 2).gather(2, turn).transpose(1, 2); // [head, chunk, query, d_head]
  at::Tensor k = by_place.narrow(1, 0, queries.end);
  k = at::constant_pad_nd(k, {0, 0, 0, count * size - queries.end}).view({heads * count, size, d});
  const at::Tensor scores = raw_scores(text, turned.reshape({heads * count, queries.count(), d}), k)
                                .view({heads, count, queries.count(), size})
                                .masked_fill((places < 0).transpose(1, 2).unsqueeze(-1), not_visited);
  return scores.transpose(1, 2).reshape({heads, queries.count(), count * size}).narrow(2, 0, queries.end);
}

// ---- The reference

// A chunk's own keys, turned by their place within it.
Rows turned(const PlainHead& head, const Rows& x, std::int64_t chunk, std::int64_t size) {
  Rows out;
  for (std::int64_t place = 0; place < size; ++place)
    out.push_back(head.rotate(PlainHead::at(x, chunk * size + place), place));
  return out;
}

Vector mixed(const Vector& weights, const Rows& values) {
  Vector out(values.front().size(), 0.0);
  for (std::size_t j = 0; j < weights.size(); ++j)
    for (std::size_t e = 0; e < out.size(); ++e)
      out[e] += weights[j] * values[j][e];
  return out;
}

Vector summary_of(const PlainHead& head, std::int64_t chunk, std::int64_t size) {
  const Rows q = turned(head, head.unrotated_q, chunk, size), k = turned(head, head.unrotated_k, chunk, size);
  const Rows v(head.v.begin() + chunk * size, head.v.begin() + (chunk + 1) * size);
  Vector mean(v.front().size(), 0.0), scores;
  for (std::int64_t i = 0; i < size; ++i) {
    scores.clear();
    for (std::int64_t j = 0; j <= i; ++j)
      scores.push_back(head.capped(dot(PlainHead::at(q, i), PlainHead::at(k, j))));
    const Vector z = mixed(softmax(scores), v);
    for (std::size_t e = 0; e < mean.size(); ++e)
      mean[e] += z[e] / static_cast<double>(size);
  }
  scores.clear();
  for (const Vector& key : k)
    scores.push_back(head.capped(dot(mean, key)));
  return mixed(softmax(scores), k);
}

// The chunks of a query in their order.
std::vector<std::int64_t> chunks_of(const PlainHead& head, const Rows& summaries, std::int64_t i,
                                    const LongHeadsOptions& options) {
  const std::int64_t own = i / options.chunk;
  std::vector<std::int64_t> chosen;
  if (own < options.chunks) {
    for (std::int64_t chunk = 0; chunk <= own; ++chunk)
      chosen.push_back(chunk);
    return chosen;
  }
  Vector scores;
  for (std::int64_t chunk = 1; chunk < own - 1; ++chunk)
    scores.push_back(dot(PlainHead::at(head.unrotated_q, i), PlainHead::at(summaries, chunk)));
  chosen = {0, own - 1, own};
  for (const std::int64_t best : largest(scores, options.chunks - 3))
    chosen.push_back(best + 1);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

Vector reference_row(const PlainHead& head, const Rows& summaries, std::int64_t i, const LongHeadsOptions& options) {
  Vector scores(static_cast<std::size_t>(head.tokens()), not_visited);
  for (std::int64_t j = 0; i < options.begin && j <= i; ++j)
    if (!head.hides(i, j)) scores[static_cast<std::size_t>(j)] = head.score(i, j);
  if (i < options.begin) return softmax(scores);
  const std::vector<std::int64_t> chosen = chunks_of(head, summaries, i, options);
  const auto last = static_cast<std::int64_t>(chosen.size()) - 1;
  const Vector q = head.rotate(PlainHead::at(head.unrotated_q, i), last * options.chunk + i % options.chunk);
  for (std::int64_t place = 0; place <= last; ++place)
    for (std::int64_t at = 0; at < options.chunk; ++at) {
      const std::int64_t j = chosen[static_cast<std::size_t>(place)] * options.chunk + at;
      if (head.hides(i, j)) continue;
      const Vector k = head.rotate(PlainHead::at(head.unrotated_k, j), place * options.chunk + at);
      scores[static_cast<std::size_t>(j)] = head.capped(dot(q, k));
    }
  return softmax(scores);
}

class LongHeads : public Mechanism {
public:
  explicit LongHeads(const OptionValues& values)
      : options_{values.at("chunk"), values.at("chunks"), values.at("begin")} {}

  TileFunction open(const Text& text) const override {
    LongHeadsOptions options = options_;
    options.chunk = std::min(options.chunk, text.keys() + 1); // no more is in it, and memory grows with its square
    const at::Tensor by_place = keys_by_place(text, options.chunk);
    const at::Tensor summaries = chunk_keys(text, by_place, options.chunk).detach();
    return [&text, options, by_place, summaries](Range queries) {
      const Range keys{0, queries.end};
      const at::Tensor full = full_scores(text, queries, keys);
      if (queries.end <= options.begin) return Tile{full, {keys}};
      const at::Tensor places = places_of(text, summaries, queries, options);
      at::Tensor scores = placed_scores(text, by_place, places, queries, options);
      scores = scores.masked_fill(full == not_visited, not_visited); // later keys, and what the model's window hides
      return Tile{at::where(query_positions(text, queries) < options.begin, full, scores), {keys}};
    };
  }

  Rows reference(const PlainHead& head) const override {
    Rows summaries, pattern;
    for (std::int64_t chunk = 0; (chunk + 1) * options_.chunk <= head.tokens(); ++chunk)
      summaries.push_back(summary_of(head, chunk, options_.chunk));
    for (std::int64_t i = 0; i < head.tokens(); ++i)
      pattern.push_back(reference_row(head, summaries, i, options_));
    return pattern;
  }

  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    LongHeadsOptions options = options_;
    options.chunk = std::min(options.chunk, one.keys() + 1);
    const at::Tensor summaries = chunk_keys(one, keys_by_place(one, options.chunk), options.chunk).detach();
    RegionRows rows;
    for (std::int64_t begin = std::min(options.begin, one.keys()); begin < one.keys(); begin += 256) {
      const Range queries{begin, std::min(begin + 256, one.keys())};
      add_units(rows, places_of(one, summaries, queries, options)[0] >= 0, begin, options.chunk, one.keys());
    }
    Explanation chosen;
    chosen.title = "Chunks that queries chose";
    chosen.regions = rows.take();
    return {chosen, units_of("Chunks", options.chunk, one.keys())};
  }

  bool before_rotary() const override { return true; }
  std::optional<std::int64_t> reach() const override {
    return std::max(options_.begin, options_.chunks * options_.chunk);
  }

private:
  LongHeadsOptions options_;
};

} // namespace

extern const MechanismDefinition longheads = {
    .info = {.id = "longheads",
             .title = "LongHeads: chunks chosen by a summary, at positions the model knows",
             .what =
                 "the first `begin` queries see everything; later ones the first chunk, their own, the one before and "
                 "the best others of earlier chunks, `chunks` in all, side by side at positions 0, 1, …",
             .cost = "O(T chunks chunk) keys attended; this form computes all scores",
             .reference = "arXiv 2402.10685; LuLuLuyi/LongHeads",
             .equals_full = "T ≤ begin, or T ≤ chunk chunks",
             .training = "none",
             .queries = QueryScope::earlier,
             .options = {{.name = "chunk", .value = 64, .least = 1, .most = most, .help = "tokens of a chunk"},
                         {.name = "chunks", .value = 6, .least = 3, .most = most, .help = "chunks a query sees"},
                         {.name = "begin", .value = 384, .least = 0, .help = "first queries, which see everything"}}},
    .make = make<LongHeads>};

} // namespace headscope::mechanisms
