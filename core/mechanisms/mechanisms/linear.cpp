// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

at::Tensor features(const at::Tensor& x) { return at::elu(x.to(at::kFloat)) + 1.0; }

Vector plain_features(const Vector& x) {
  Vector out;
  for (const double value : x)
    out.push_back(value > 0.0 ? value + 1.0 : std::exp(value));
  return out;
}

class Linear : public Mechanism {
public:
  explicit Linear(const OptionValues&) {}

  TileFunction open(const Text& text) const override {
    return [&text](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor q = features(take_queries(text, text.q, queries));
      const at::Tensor products = at::matmul(q, features(take_keys(text.k, tile.keys)).transpose(1, 2));
      const at::Tensor weights = products.masked_fill(tile.scores == not_visited, 0.0);
      tile.scores = weights / weights.sum(-1, true);
      tile.are_weights = true;
      return tile;
    };
  }

  // The recurrence: a state of d_head x d_head and its normaliser, step after step. Models with a window forget by
  // distance, which no such state does, so there the pattern is made.
  OutputFunction open_output(const Text& text) const override {
    if (text.window && *text.window < text.keys()) return nullptr;
    return [&text](Range queries) {
      constexpr std::int64_t step = 64;
      const at::Tensor k = features(text.k), v = text.v.to(at::kFloat);
      const std::int64_t d = k.size(2);
      at::Tensor state = at::matmul(k.narrow(1, 0, queries.begin).transpose(1, 2), v.narrow(1, 0, queries.begin));
      at::Tensor sums = k.narrow(1, 0, queries.begin).sum(1);
      std::vector<at::Tensor> z;
      for (std::int64_t begin = queries.begin; begin < queries.end; begin += step) {
        const Range some{begin, std::min(begin + step, queries.end)};
        const at::Tensor q = features(take_queries(text, text.q, some));
        const at::Tensor own_k = k.narrow(1, some.begin, some.count()), own_v = v.narrow(1, some.begin, some.count());
        const at::Tensor within = at::matmul(q, own_k.transpose(1, 2)).tril();
        const at::Tensor above = at::matmul(q, state) + at::matmul(within, own_v);
        const at::Tensor below = at::matmul(q, sums.view({-1, d, 1})) + within.sum(-1, true);
        z.push_back(above / below);
        if (text.cost) count(*text.cost, some, within.numel(), state.numel() + sums.numel(), k.size(0), d + v.size(2));
        state = state + at::matmul(own_k.transpose(1, 2), own_v);
        sums = sums + own_k.sum(1);
      }
      return at::cat(z, 1).to(text.v.scalar_type());
    };
  }

  // Every query reads the state and the keys and values of its step, all in float32.
  static void count(AttentionCost& cost, Range queries, std::int64_t scored, std::int64_t state, std::int64_t heads,
                    std::int64_t pair) {
    cost.scored += scored;
    cost.attended += heads * (queries.begin + queries.end + 1) * queries.count() / 2;
    cost.bytes += 4 * (queries.count() * state + scored * pair);
  }

  // What the state is at each token, and how weights fall with distance.
  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const at::Tensor k = features(one.k)[0], v = one.v.to(at::kFloat)[0];
    Explanation size;
    size.kind = ExplanationKind::numbers;
    size.title = "State: ‖Σ φ(k) vᵀ‖ after each token";
    size.values.emplace_back();
    at::Tensor state = at::zeros({k.size(1), v.size(1)}, k.options());
    for (std::int64_t i = 0; i < one.keys(); ++i) {
      state = state + at::outer(k[i], v[i]);
      size.values.front().push_back(state.norm().item<double>());
    }
    return {size, decay_by_distance(*this, one)};
  }

  Rows reference(const PlainHead& head) const override {
    Rows pattern;
    for (std::int64_t i = 0; i < head.tokens(); ++i) {
      Vector row(static_cast<std::size_t>(head.tokens()), 0.0);
      const Vector q = plain_features(PlainHead::at(head.q, i));
      double sum = 0.0;
      for (std::int64_t j = 0; j <= i; ++j)
        if (!head.hides(i, j))
          sum += row[static_cast<std::size_t>(j)] = dot(q, plain_features(PlainHead::at(head.k, j)));
      for (double& weight : row)
        weight /= sum;
      pattern.push_back(row);
    }
    return pattern;
  }
};

} // namespace

extern const MechanismDefinition linear = {
    .info = {.id = "linear",
             .title = "linear attention, elu + 1",
             .what = "every earlier token, weighed by φ(q)·φ(k) over their sum, φ = elu + 1: a recurrence with a state "
                     "of d_head × d_head",
             .cost = "O(T d²)",
             .reference = "arXiv 2006.16236; as a dynamical system arXiv 2405.15731",
             .equals_full = "never",
             .training = "trained with the model; as a drop-in it breaks it",
             .weights = Weights::positive,
             .drop_in = false},
    .make = make<Linear>};

} // namespace headscope::mechanisms
