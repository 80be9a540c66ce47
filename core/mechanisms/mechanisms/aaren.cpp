// SPDX-License-Identifier: GPL-3.0-or-later
// Aaren: attention by one query for all positions, which can be computed as a scan.
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Aaren : public Mechanism {
public:
  explicit Aaren(const OptionValues& options) : turned_(options.at("query") == 0) {}

  TileFunction open(const Text& text) const override {
    const at::Tensor q = (turned_ ? text.unrotated_q : text.q).mean(1, true); // [head, 1, d_head]
    return [&text, this, q](Range queries) {
      Tile tile = scores_of_all(text, queries);
      at::Tensor own = q.expand({q.size(0), queries.count(), q.size(2)});
      if (turned_) own = text.rotate(own.contiguous(), query_positions(text, queries).squeeze(1));
      const at::Tensor scores = raw_scores(text, own, take_keys(text.k, tile.keys));
      tile.scores = scores.masked_fill(tile.scores == not_visited, not_visited);
      return tile;
    };
  }

  // The scan (m, u, w) over keys that have the same score for every query: the largest score so far, and the sums of
  // weighted values and of weights below it, carried from block to block.
  OutputFunction open_output(const Text& text) const override {
    if (turned_ || (text.window && *text.window < text.keys())) return nullptr;
    return [&text](Range queries) {
      const at::Tensor scores =
          raw_scores(text, text.q.mean(1, true), text.k).to(at::kDouble).squeeze(1); // [head, key]
      const at::Tensor top = std::get<0>(scores.cummax(1));
      constexpr std::int64_t step = 64;
      const at::Tensor v = text.v.to(at::kDouble);
      at::Tensor u = at::zeros({v.size(0), v.size(2)}, v.options()), w = at::zeros({v.size(0)}, v.options());
      at::Tensor m = at::full({v.size(0)}, not_visited, v.options());
      std::vector<at::Tensor> z;
      for (std::int64_t begin = 0; begin < queries.end; begin += step) {
        const std::int64_t count = std::min(step, queries.end - begin);
        const at::Tensor tops = top.narrow(1, begin, count).unsqueeze(2); // [head, query, 1]
        const at::Tensor weights = (scores.narrow(1, begin, count).unsqueeze(1) - tops).exp().tril();
        const at::Tensor before = (m.view({-1, 1, 1}) - tops).exp();
        const at::Tensor us = before * u.unsqueeze(1) + at::matmul(weights, v.narrow(1, begin, count));
        const at::Tensor ws = before * w.view({-1, 1, 1}) + weights.sum(-1, true);
        z.push_back(us / ws);
        u = us.select(1, count - 1), w = ws.select(1, count - 1).squeeze(1), m = tops.select(1, count - 1).squeeze(1);
      }
      if (text.cost) { // every query reads the state, in double precision
        text.cost->attended += text.heads() * (queries.begin + queries.end + 1) * queries.count() / 2;
        text.cost->bytes += 8 * text.heads() * queries.count() * (v.size(2) + 2);
      }
      return at::cat(z, 1).narrow(1, queries.begin, queries.count()).to(text.v.scalar_type());
    };
  }

  Rows reference(const PlainHead& head) const override {
    const Rows& queries = turned_ ? head.unrotated_q : head.q;
    Vector mean(queries.front().size(), 0.0);
    for (const Vector& q : queries)
      for (std::size_t e = 0; e < mean.size(); ++e)
        mean[e] += q[e] / static_cast<double>(queries.size());
    Rows asked;
    for (std::int64_t i = 0; i < head.tokens(); ++i)
      asked.push_back(turned_ ? head.rotate(mean, i) : mean);
    return softmax_of(head, [&](std::int64_t i, std::int64_t j) {
      return head.capped(dot(PlainHead::at(asked, i), PlainHead::at(head.k, j)));
    });
  }

  bool before_rotary() const override { return turned_; }

private:
  bool turned_;
};

} // namespace

extern const MechanismDefinition aaren = {
    .info = {.id = "aaren",
             .title = "Aaren: one query for all positions",
             .what = "every earlier token, weighed by the mean query of the head on this text. query=turned: the mean "
                     "before the rotary step, rotated at each position; query=fixed: the mean after it, one vector for "
                     "all, which is a scan with a state of one vector",
             .cost = "query=fixed: O(T d); query=turned: O(T²)",
             .reference = "arXiv 2405.13956, which learns the query",
             .equals_full = "heads whose queries are all the same",
             .training = "the original learns the query. The mean is over the whole text, later queries with it: an "
                         "analysis of how much of a head one query explains",
             .queries = QueryScope::beside,
             .drop_in = false,
             .options = {{.name = "query", .value = 0, .help = "which mean", .choices = {"turned", "fixed"}}}},
    .make = make<Aaren>};

} // namespace headscope::mechanisms
