// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/plain_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace headscope::mechanisms {

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

double PlainHead::capped(double product) const {
  const double scaled = product * scale;
  return softcap ? std::tanh(scaled / *softcap) * *softcap : scaled;
}

Vector softmax(const Vector& scores) {
  const double top = *std::max_element(scores.begin(), scores.end());
  Vector weights;
  double sum = 0.0;
  for (const double score : scores) {
    weights.push_back(std::exp(score - top));
    sum += weights.back();
  }
  for (double& weight : weights)
    weight /= sum;
  return weights;
}

Rows softmax_of(const PlainHead& head, const std::function<double(std::int64_t, std::int64_t)>& score) {
  Rows pattern;
  for (std::int64_t query = 0; query < head.tokens(); ++query) {
    Vector scores;
    for (std::int64_t key = 0; key < head.tokens(); ++key)
      scores.push_back(head.hides(query, key) ? -std::numeric_limits<double>::infinity() : score(query, key));
    pattern.push_back(softmax(scores));
  }
  return pattern;
}

Rows softmax_over(const PlainHead& head, const std::function<bool(std::int64_t, std::int64_t)>& visits) {
  return softmax_of(head, [&](std::int64_t query, std::int64_t key) {
    return visits(query, key) ? head.score(query, key) : -std::numeric_limits<double>::infinity();
  });
}

std::vector<std::int64_t> largest(const Vector& values, std::int64_t n) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(std::min<std::int64_t>(n, static_cast<std::int64_t>(values.size()))));
  return order;
}

} // namespace headscope::mechanisms
