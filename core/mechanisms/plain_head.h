// SPDX-License-Identifier: GPL-3.0-or-later
// One head of a whole text in double precision, for the references: loops that a reader can hold against a definition.
// They share no code with the forms that run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace headscope::mechanisms {

using Vector = std::vector<double>;
using Rows = std::vector<Vector>; // [pos][d_head], or [query][key]

double dot(const Vector& a, const Vector& b);

struct PlainHead {
  Rows q, k; // rotary applied
  Rows v;
  Rows unrotated_q, unrotated_k; // empty where the mechanism does not need them
  Rows w_o;                      // [d_head][d_model]; empty where the mechanism does not need it
  int layer = 0;
  std::int64_t head = 0;
  std::function<Vector(const Vector& x, std::int64_t position)> rotate;
  double scale = 1.0;
  std::optional<double> softcap;
  std::optional<std::int64_t> window; // of the model

  std::int64_t tokens() const { return static_cast<std::int64_t>(q.size()); }
  double capped(double product) const; // scale and softcap
  double score(std::int64_t query, std::int64_t key) const { return capped(dot(at(q, query), at(k, key))); }
  // Whether the model itself hides this key from the query.
  bool hides(std::int64_t query, std::int64_t key) const { return key > query || (window && query - key >= *window); }
  static const Vector& at(const Rows& rows, std::int64_t i) { return rows[static_cast<std::size_t>(i)]; }
};

// Softmax of scores, of which -inf means no weight.
Vector softmax(const Vector& scores);
// Returns the pattern [query][key] of a mechanism that visits some keys and weighs them by a plain softmax.
Rows softmax_over(const PlainHead& head, const std::function<bool(std::int64_t query, std::int64_t key)>& visits);
// Returns the pattern of a softmax over scores of its own; asked only for keys that the model shows the query. -inf:
// not visited.
Rows softmax_of(const PlainHead& head, const std::function<double(std::int64_t query, std::int64_t key)>& score);
// Returns the indices of the n largest values; among equals the first.
std::vector<std::int64_t> largest(const Vector& values, std::int64_t n);

} // namespace headscope::mechanisms
