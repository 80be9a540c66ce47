// SPDX-License-Identifier: GPL-3.0-or-later
// Routing attention by clusters of keys, found on the text itself.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/mechanisms/explain.h"
#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

constexpr int rounds = 10; // of k-means

struct RoutingOptions {
  std::int64_t clusters, keys;
};

// Layer norm without weights.
at::Tensor normed(const at::Tensor& x) {
  const at::Tensor wide = x.to(at::kDouble), centred = wide - wide.mean(-1, true);
  return centred / (centred.pow(2).mean(-1, true) + 1e-5).sqrt();
}

Vector plain_normed(const Vector& x) {
  const auto n = static_cast<double>(x.size());
  double mean = 0.0, variance = 0.0;
  for (const double value : x)
    mean += value / n;
  for (const double value : x)
    variance += (value - mean) * (value - mean) / n;
  Vector out;
  for (const double value : x)
    out.push_back((value - mean) / std::sqrt(variance + 1e-5));
  return out;
}

// k-means by x·μ, begun at evenly spaced keys: centroids [head, cluster, d_head].
at::Tensor centroids_of(const at::Tensor& k, std::int64_t clusters) {
  const std::int64_t keys = k.size(1);
  const at::Tensor first = at::floor_divide(at::arange(clusters, at::kLong) * keys, clusters).to(k.device());
  at::Tensor centroids = k.index_select(1, first);
  for (int round = 0; round < rounds; ++round) {
    const at::Tensor nearest = at::matmul(k, centroids.transpose(1, 2)).argmax(-1); // [head, key]
    const at::Tensor member = at::one_hot(nearest, clusters).to(k.scalar_type());   // [head, key, cluster]
    const at::Tensor size = member.sum(1).unsqueeze(2);
    const at::Tensor mean = at::matmul(member.transpose(1, 2), k) / size.clamp_min(1.0);
    centroids = at::where(size > 0, mean, centroids);
  }
  return centroids;
}

std::int64_t nearest_of(const Vector& x, const Rows& centroids) {
  Vector products;
  for (const Vector& centroid : centroids)
    products.push_back(dot(x, centroid));
  return largest(products, 1).front();
}

Rows plain_centroids(const Rows& k, std::int64_t clusters) {
  const auto count = static_cast<std::size_t>(clusters);
  Rows centroids;
  for (std::int64_t c = 0; c < clusters; ++c)
    centroids.push_back(PlainHead::at(k, c * std::ssize(k) / clusters));
  for (int round = 0; round < rounds; ++round) {
    Rows sums(count, Vector(k.front().size(), 0.0));
    Vector sizes(count, 0.0);
    for (const Vector& key : k) {
      const auto c = static_cast<std::size_t>(nearest_of(key, centroids));
      sizes[c] += 1.0;
      for (std::size_t e = 0; e < key.size(); ++e)
        sums[c][e] += key[e];
    }
    for (std::size_t c = 0; c < count; ++c)
      for (std::size_t e = 0; sizes[c] > 0.0 && e < sums[c].size(); ++e)
        centroids[c][e] = sums[c][e] / sizes[c];
  }
  return centroids;
}

class Routing : public Mechanism {
public:
  explicit Routing(const OptionValues& values) : options_{values.at("clusters"), values.at("keys")} {}

  TileFunction open(const Text& text) const override {
    const at::Tensor k = normed(text.k), q = normed(text.q);
    const std::int64_t clusters = std::min(options_.clusters, text.keys());
    const at::Tensor centroids = centroids_of(k, clusters);
    const at::Tensor near = at::matmul(centroids, k.transpose(1, 2)); // [head, cluster, key]
    const at::Tensor holds = held(near);
    return [&text, q, centroids, holds](Range queries) {
      Tile tile = scores_of_all(text, queries);
      const at::Tensor cluster = at::matmul(take_queries(text, q, queries), centroids.transpose(1, 2)).argmax(-1);
      const at::Tensor index = cluster.unsqueeze(-1).expand({cluster.size(0), cluster.size(1), holds.size(2)});
      const at::Tensor visited =
          holds.gather(1, index).narrow(2, 0, queries.end).logical_and(tile.scores != not_visited);
      const at::Tensor any = visited.any(-1, true);
      const at::Tensor scores = tile.scores.masked_fill(visited.logical_not().logical_and(any), not_visited);
      tile.scores = scores.softmax(-1).masked_fill(any.logical_not(), 0.0);
      tile.are_weights = true;
      return tile;
    };
  }

  // The cluster that a query goes to, and of those that hold a key the nearest.
  std::vector<Explanation> explain(const Text& text, std::int64_t head) const override {
    const Text one = of_head(text, head);
    const at::Tensor k = normed(one.k), q = normed(one.q);
    const at::Tensor centroids = centroids_of(k, std::min(options_.clusters, one.keys()));
    const at::Tensor near = at::matmul(centroids, k.transpose(1, 2)), holds = held(near); // [head, cluster, key]
    const at::Tensor nearest = near.masked_fill(holds.logical_not(), not_visited).argmax(1);
    Explanation out;
    out.kind = ExplanationKind::groups;
    out.title = "Clusters of keys";
    out.key_groups = whole_numbers_of(nearest.masked_fill(holds.any(1).logical_not(), -1)[0]);
    out.query_groups = whole_numbers_of(at::matmul(q, centroids.transpose(1, 2)).argmax(-1)[0]);
    return {out};
  }

  Rows reference(const PlainHead& head) const override {
    Rows k;
    for (const Vector& key : head.k)
      k.push_back(plain_normed(key));
    const Rows centroids = plain_centroids(k, std::min(options_.clusters, head.tokens()));
    std::vector<std::vector<bool>> holds;
    for (const Vector& centroid : centroids) {
      Vector near;
      for (const Vector& key : k)
        near.push_back(dot(centroid, key));
      holds.emplace_back(k.size(), false);
      for (const std::int64_t key : largest(near, options_.keys))
        holds.back()[static_cast<std::size_t>(key)] = true;
    }
    Rows pattern;
    for (std::int64_t i = 0; i < head.tokens(); ++i) {
      const auto cluster = static_cast<std::size_t>(nearest_of(plain_normed(PlainHead::at(head.q, i)), centroids));
      Vector scores(k.size(), not_visited);
      bool any = false;
      for (std::int64_t j = 0; j <= i; ++j)
        if (!head.hides(i, j) && holds[cluster][static_cast<std::size_t>(j)]) {
          scores[static_cast<std::size_t>(j)] = head.score(i, j);
          any = true;
        }
      pattern.push_back(any ? softmax(scores) : Vector(k.size(), 0.0));
    }
    return pattern;
  }

private:
  // Whether a cluster holds a key: bool [head, cluster, key].
  at::Tensor held(const at::Tensor& near) const {
    const at::Tensor taken = std::get<1>(near.topk(std::min(options_.keys, near.size(2)), -1));
    return at::zeros_like(near, at::kBool).scatter(-1, taken, true);
  }

  RoutingOptions options_;
};

} // namespace

extern const MechanismDefinition routing = {
    .info = {.id = "routing",
             .title = "routing by clusters of keys",
             .what = "the earlier tokens among the `keys` nearest to the centroid that is nearest to the query, by the "
                     "product of layer-normed vectors; z is 0 where there are none. `clusters` centroids by k-means on "
                     "the keys of this text",
             .cost = "O(T^1.5 d) with clusters · keys ≈ T; this form computes all scores",
             .reference = "arXiv 2003.05997; google-research/routing_transformer",
             .equals_full = "clusters = 1 and keys ≥ T",
             .training =
                 "the original trains centroids, shares q and k, and keeps half of the heads local; as a drop-in "
                 "it breaks the model. The clusters are of the whole text, later keys with it: an analysis of "
                 "whether a head's keys are clustered",
             .queries = QueryScope::beside,
             .weights = Weights::positive,
             .drop_in = false,
             .options = {{.name = "clusters", .value = 8, .least = 1, .help = "centroids"},
                         {.name = "keys", .value = 256, .least = 1, .help = "keys of a centroid"}}},
    .make = make<Routing>};

} // namespace headscope::mechanisms
