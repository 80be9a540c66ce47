// SPDX-License-Identifier: GPL-3.0-or-later
// One row of a run as a mechanism sees it: its real tokens alone, whatever padding and batch they came in.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/engine/attention_cost.h"

namespace headscope::mechanisms {

constexpr double not_visited = -std::numeric_limits<double>::infinity();

// Positions begin, ..., end - 1.
struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t count() const { return end - begin; }
};

// Every query head has k and v of its own here, so grouped K/V heads need no care.
struct Text {
  at::Tensor q;                        // [head, query, d_head], rotary applied; queries from position `first` on
  at::Tensor k, v;                     // [head, key, d_head], rotary applied to k
  at::Tensor unrotated_q, unrotated_k; // the same without rotary; undefined unless the mechanism needs them
  at::Tensor w_o;                      // [head, d_head, d_model]; undefined outside a model
  bool own_values = false;             // v is the mechanism's, not the model's
  int layer = 0;                       // where in the model this is
  std::vector<std::int64_t> heads_are; // the head indices of the axis `head`
  // Rotates x [head, pos, d_head] at positions [pos] (int64).
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& positions)> rotate;
  std::int64_t first = 0; // 0 for mechanisms that look at other queries: all of them are here then
  double scale = 1.0;
  std::optional<double> softcap;
  std::optional<std::int64_t> window; // of the model: key j is seen by query i when i - j < window
  AttentionCost* cost = nullptr;      // what work costs is added to it by who does it; null: nobody asks

  std::int64_t heads() const { return q.size(0); }
  std::int64_t keys() const { return k.size(1); }
};

// Attention of some queries. The softmax of the scores over all keys is the mechanism's pattern: -inf where a key is
// not visited, and also where a mechanism's weights are no softmax of q·k, since the logarithm of any weights will do.
struct Tile {
  at::Tensor scores;       // float32 [head, query, key], the keys of `keys` side by side
  std::vector<Range> keys; // ascending, without overlap
  at::Tensor index = {};   // in place of `keys`: int64 [head, key], each key once a head, those without scores anything
  bool are_weights = false; // the scores are the pattern itself; 0 where a key is not visited
  // Returns factors [head, query] for z [head, query, d_head] and so for the pattern; null: none.
  std::function<at::Tensor(const at::Tensor& z)> gate = {};
};

// The pattern of a tile over its own keys, without gate.
at::Tensor weights_of(const Tile& tile);
// v of the tile's keys [head, key, d_head] from v of all keys.
at::Tensor values_of(const Tile& tile, const at::Tensor& v);
// Spreads x [head, query, key of the tile] over `all` keys, with `fill` for the others.
at::Tensor over_all_keys(const at::Tensor& x, const Tile& tile, std::int64_t all, double fill);
// Returns the tile with its gate, if it has one, in its weights.
Tile gated(Tile tile, const at::Tensor& v);

// Returns the scores of query positions over keys as full attention has them: scaled, capped, and hidden behind the
// causal order and the model's window.
at::Tensor full_scores(const Text& text, Range queries, Range keys);
Tile full_scores(const Text& text, Range queries, const std::vector<Range>& keys);
// The same over all keys that any of the queries may see.
Tile scores_of_all(const Text& text, Range queries);
// Counts products [head, query, key] of q with keys of its type.
void count_products(const Text& text, const at::Tensor& products, const at::Tensor& q);
// Returns q·k of any vectors [head, query, d] and [head, key, d], scaled and capped as the model's: float32. Counts
// them.
at::Tensor raw_scores(const Text& text, const at::Tensor& q, const at::Tensor& k);

// Positions as int64 on the text's device: [query, 1] and [1, key].
at::Tensor query_positions(const Text& text, Range queries);
at::Tensor key_positions(const Text& text, const std::vector<Range>& keys);

// Takes queries from x [head, query, d_head], which begins at the text's first.
at::Tensor take_queries(const Text& text, const at::Tensor& x, Range queries);
// Takes the keys of several ranges from x [head, key, d_head].
at::Tensor take_keys(const at::Tensor& x, const std::vector<Range>& keys);
// Spreads x [head, query, key of `keys`] over all keys, with `fill` for the others.
at::Tensor over_all_keys(const at::Tensor& x, const std::vector<Range>& keys, std::int64_t all, double fill);

} // namespace headscope::mechanisms
