// SPDX-License-Identifier: GPL-3.0-or-later
// LongHeads: each query chooses chunks of keys by a summary of each, and sees them side by side at positions that the
// model knows.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/mechanisms/chosen_blocks.h"
#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"
#include "core/mechanisms/sparse.h"

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

// The mean output of every whole chunk's attention to itself, [head, chunk, d_head], in the places within the chunk.
at::Tensor mean_outputs(const Text& text, const at::Tensor& by_place, std::int64_t chunk) {
  const std::int64_t heads = text.heads(), d = text.v.size(2), count = text.keys() / chunk;
  const auto whole = [&](const at::Tensor& x) { return x.narrow(1, 0, count * chunk).detach(); };
  const at::Tensor q = whole(text.rotate(text.unrotated_q, within_chunk(text.k, text.keys(), chunk)));
  SparseAttentionInput input = sparse_input(text, {text.first, text.first + 1});
  input.q = q.unsqueeze(0), input.k = whole(by_place).unsqueeze(0), input.v = whole(text.v).unsqueeze(0);
  input.window = std::nullopt, input.query_offset = 0;
  std::vector<std::vector<kernels::KeyRun>> runs;
  for (std::int64_t begin = 0; begin < count * chunk; begin += chunk)
    runs.push_back({{static_cast<std::int32_t>(begin), static_cast<std::int32_t>(begin + chunk)}});
  const VisitedKeys keys = visited_keys(runs, chunk, q.device());
  if (const auto out = count > 0 ? sparse_attention(input, keys) : std::nullopt) {
    const AttentionCost cost = text.cost ? cost_of(input, keys) : AttentionCost{};
    if (text.cost) text.cost->scored += cost.scored, text.cost->bytes += cost.bytes; // no query attends by this
    return out->z.squeeze(0).reshape({heads, count, chunk, d}).mean(2);
  }
  const auto in_chunks = [&](const at::Tensor& x) { return whole(x).reshape({heads * count, chunk, d}); };
  const at::Tensor hidden = at::ones({chunk, chunk}, q.options().dtype(at::kBool)).triu(1);
  const at::Tensor scores = raw_scores(text, in_chunks(q), in_chunks(by_place)).masked_fill(hidden, not_visited);
  return at::matmul(scores.softmax(-1).to(q.scalar_type()), in_chunks(text.v)).mean(1).view({heads, count, d});
}

// The summary of every whole chunk, [head, chunk, d_head]: that mean attends to the chunk's keys, which are also the
// values.
at::Tensor chunk_keys(const Text& text, const at::Tensor& by_place, std::int64_t chunk) {
  const std::int64_t heads = text.heads(), d = text.k.size(2), count = text.keys() / chunk;
  const at::Tensor k = by_place.narrow(1, 0, count * chunk).detach().reshape({heads * count, chunk, d});
  const at::Tensor mean = mean_outputs(text, by_place, chunk).view({heads * count, 1, d});
  const at::Tensor weights = raw_scores(text, mean, k).softmax(-1).to(k.scalar_type());
  return at::matmul(weights, k).view({heads, count, d});
}

// The chunks that queries choose besides the first, their own and the one before: int64 [head, query, choice], in their
// order; -1 where there are fewer.
at::Tensor best_chunks(const Text& text, const at::Tensor& summaries, Range queries, const LongHeadsOptions& options) {
  const std::int64_t count = (queries.end + options.chunk - 1) / options.chunk;
  const std::int64_t whole = std::min(count, summaries.size(1));
  const at::Tensor q = text.unrotated_q.narrow(1, queries.begin, queries.count()).detach();
  const at::Tensor products = at::matmul(q, summaries.narrow(1, 0, whole).transpose(1, 2));
  count_products(text, products, q);
  kernels::BlockScores choice;
  choice.position = queries.begin, choice.size = options.chunk;
  choice.first = 1, choice.behind = 1;
  choice.choices = std::min(options.chunks - 3, whole);
  return choose_blocks(products, choice);
}

// The place in the row of chosen chunks, [head, query, chunk] int64; -1: not chosen.
at::Tensor places_of(const Text& text, const at::Tensor& summaries, Range queries, const LongHeadsOptions& options) {
  const std::int64_t count = (queries.end + options.chunk - 1) / options.chunk;
  const at::Tensor own = at::floor_divide(query_positions(text, queries), options.chunk);
  const at::Tensor chunk = key_positions(text, {{0, count}});
  const at::Tensor best = best_chunks(text, summaries, queries, options);
  const at::Tensor chosen = at::zeros({text.heads(), queries.count(), count}, chunk.options().dtype(at::kBool))
                                .scatter(-1, best.clamp_min(0), true) // chunk 0 is chosen anyway
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

// ---- The form whose cost is that of the chunks seen

// z of queries that see `chunks` of more chunks: one block of keys for each, multiplied with the query at its distance
// from the first key of the chunk in the row.
at::Tensor z_of_chosen(const Text& text, const at::Tensor& by_place, const at::Tensor& summaries, Range queries,
                       const LongHeadsOptions& options) {
  const at::Tensor position = query_positions(text, queries).squeeze(1);
  const at::Tensor own = at::floor_divide(position, options.chunk).view({1, -1, 1});
  const at::Tensor best = best_chunks(text, summaries, queries, options);
  const at::Tensor own_of_head = own.expand({best.size(0), best.size(1), 1});
  BlockChoice choice;
  choice.block = at::cat({at::zeros_like(own_of_head), best, own_of_head - 1, own_of_head}, -1);
  const at::Tensor q = text.unrotated_q.narrow(1, queries.begin, queries.count()).contiguous(); // turns faster
  std::vector<at::Tensor> turned;
  for (std::int64_t behind = options.chunks - 1; behind >= 0; --behind) // chunks between this one and the query's
    turned.push_back(text.rotate(q, position.remainder(options.chunk) + behind * options.chunk));
  choice.q = at::stack(turned, 2);
  choice.k = by_place;
  choice.size = options.chunk;
  const auto found = attend_blocks(text, queries, choice);
  return found ? mixed_blocks(*found, found->log_sum_exp) : at::Tensor{};
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
    const at::Tensor summaries = chunk_keys(text, by_place, options.chunk);
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

  OutputFunction open_output(const Text& text) const override {
    return [&text, this](Range queries) -> at::Tensor {
      const std::int64_t all = std::max(options_.begin, options_.chunks * options_.chunk); // so many see everything
      std::vector<at::Tensor> z;
      if (queries.begin < all) {
        const SparseAttentionInput input = sparse_input(text, {queries.begin, std::min(queries.end, all)});
        z.push_back(sparse_output(text, input, band_keys(input, text.keys(), 0)));
        if (!z.back().defined()) return {};
      }
      if (queries.end > all) {
        const at::Tensor by_place = keys_by_place(text, options_.chunk);
        const at::Tensor summaries = chunk_keys(text, by_place, options_.chunk);
        const auto some = [&](Range range) { return z_of_chosen(text, by_place, summaries, range, options_); };
        z.push_back(by_ranges(text, {std::max(queries.begin, all), queries.end}, options_.chunks, some));
        if (!z.back().defined()) return {};
      }
      return z.size() == 1 ? z.front() : at::cat(z, 1);
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
    const ExplainedUnits chunks{"Chunks that queries chose", "Chunks", options.chunk, options.begin};
    return explain_units(
        one, chunks, [&](Range queries) -> at::Tensor { return places_of(one, summaries, queries, options)[0] >= 0; });
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
             .cost = "O(T T / chunk) for the choice, O(T chunks chunk) keys attended",
             .reference = "arXiv 2402.10685; LuLuLuyi/LongHeads",
             .equals_full = "T ≤ begin, or T ≤ chunk chunks",
             .training = "none",
             .queries = QueryScope::earlier,
             .options = {{.name = "chunk", .value = 64, .least = 1, .most = most, .help = "tokens of a chunk"},
                         {.name = "chunks", .value = 6, .least = 3, .most = most, .help = "chunks a query sees"},
                         {.name = "begin", .value = 384, .least = 0, .help = "first queries, which see everything"}}},
    .make = make<LongHeads>};

} // namespace headscope::mechanisms
