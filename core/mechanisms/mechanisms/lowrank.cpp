// SPDX-License-Identifier: GPL-3.0-or-later
// Scores of a head in fewer dimensions: keys are projected to those in which the text's keys are largest.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

// Eigenvectors of a symmetric matrix by Jacobi's rotations, as columns, with the largest eigenvalues first.
Rows eigenvectors(Rows a) {
  const std::size_t n = a.size();
  Rows vectors(n, Vector(n, 0.0));
  for (std::size_t i = 0; i < n; ++i)
    vectors[i][i] = 1.0;
  const auto rotate = [&](Rows& x, std::size_t i, std::size_t p, std::size_t q, double c, double s, bool columns) {
    double &first = columns ? x[i][p] : x[p][i], &second = columns ? x[i][q] : x[q][i];
    const double before = first;
    first = c * before - s * second;
    second = s * before + c * second;
  };
  for (int sweep = 0; sweep < 60; ++sweep)
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p][q]) < 1e-300) continue;
        const double angle = 0.5 * std::atan2(2.0 * a[p][q], a[q][q] - a[p][p]);
        const double c = std::cos(angle), s = std::sin(angle);
        for (std::size_t i = 0; i < n; ++i)
          rotate(a, i, p, q, c, s, true);
        for (std::size_t i = 0; i < n; ++i)
          rotate(a, i, p, q, c, s, false);
        for (std::size_t i = 0; i < n; ++i)
          rotate(vectors, i, p, q, c, s, true);
      }
  Vector values;
  for (std::size_t i = 0; i < n; ++i)
    values.push_back(a[i][i]);
  Rows sorted(n);
  for (const std::int64_t best : largest(values, static_cast<std::int64_t>(n)))
    for (std::size_t i = 0; i < n; ++i)
      sorted[i].push_back(vectors[i][static_cast<std::size_t>(best)]);
  return sorted;
}

class LowRank : public Mechanism {
public:
  explicit LowRank(const OptionValues& options) : rank_(options.at("rank")) {}

  TileFunction open(const Text& text) const override {
    const at::Tensor k = text.k.to(at::kDouble), rest = at::matmul(k.transpose(1, 2), k);
    const at::Tensor vectors = std::get<1>(at::linalg_eigh(rest)); // the largest eigenvalues last
    const std::int64_t d = vectors.size(2), rank = std::min(rank_, d);
    const at::Tensor basis = vectors.narrow(2, d - rank, rank);
    const at::Tensor projected = at::matmul(at::matmul(k, basis), basis.transpose(1, 2)).to(text.k.scalar_type());
    return [&text, projected](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor scores = raw_scores(text, take_queries(text, text.q, queries), take_keys(projected, tile.keys));
      tile.scores = scores.masked_fill(tile.scores == not_visited, not_visited);
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    const std::size_t d = head.k.front().size();
    Rows products(d, Vector(d, 0.0));
    for (const Vector& k : head.k)
      for (std::size_t a = 0; a < d; ++a)
        for (std::size_t b = 0; b < d; ++b)
          products[a][b] += k[a] * k[b];
    const Rows vectors = eigenvectors(products);
    const auto rank = static_cast<std::size_t>(std::min<std::int64_t>(rank_, static_cast<std::int64_t>(d)));
    const auto coordinates = [&](const Vector& x) {
      Vector out(rank, 0.0);
      for (std::size_t r = 0; r < rank; ++r)
        for (std::size_t e = 0; e < d; ++e)
          out[r] += x[e] * vectors[e][r];
      return out;
    };
    Rows q, k;
    for (const Vector& query : head.q)
      q.push_back(coordinates(query));
    for (const Vector& key : head.k)
      k.push_back(coordinates(key));
    return softmax_of(head, [&](std::int64_t i, std::int64_t j) {
      return head.capped(dot(PlainHead::at(q, i), PlainHead::at(k, j)));
    });
  }

private:
  std::int64_t rank_;
};

} // namespace

extern const MechanismDefinition lowrank = {
    .info = {.id = "lowrank",
             .title = "scores of low rank",
             .what = "every earlier token, with keys projected to the `rank` dimensions in which the keys of this text "
                     "are largest (singular vectors of k after the rotary step)",
             .cost = "O(T² rank / d_head) of the scores; this form computes all of them at full width",
             .reference = "after LAMA, arXiv 2005.10093 (low-rank bilinear attention), which is trained so",
             .equals_full = "rank ≥ d_head",
             .training =
                 "none; all heads at once lose fast. The projection is fitted to the whole text, later keys with "
                 "it: an analysis of how many dimensions a head's scores need",
             .queries = QueryScope::beside,
             .options = {{.name = "rank", .value = 32, .least = 0, .help = "dimensions"}}},
    .make = make<LowRank>};

} // namespace headscope::mechanisms
