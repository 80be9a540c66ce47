// SPDX-License-Identifier: GPL-3.0-or-later
// Activations of any hook points, token by token, handed out while the model runs: of one batch of texts, one point at
// a time is in memory. Means and second moments of them.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/task.h"
#include "core/engine/engine.h"
#include "core/sweeps/sweep.h"

namespace headscope {

// A point whose axes begin with [batch, pos]: not the attention scores and the pattern, which have one value for every
// pair of positions.
struct WantedSite {
  HookSite site;
  // Of a point with a head axis, those that are kept, on the axis as it is (K/V heads of K/V points); empty: all.
  std::vector<std::int64_t> heads = {};
};

// What one token has there: [d], or [head, d].
std::vector<std::int64_t> token_shape(const ModelConfig& config, const WantedSite& wanted);

struct DumpRequest {
  std::vector<WantedSite> sites;
  TokenRows texts;
  std::vector<std::vector<std::int64_t>> positions; // of each text, those that are kept; empty: all of all texts
  std::int64_t tokens_per_run = 0;                  // 0: what suits the device

  std::int64_t kept(std::size_t text) const {
    return positions.empty() ? std::ssize(texts[text]) : std::ssize(positions[text]);
  }
};

// Rows [token, token_shape ...] of a site, float32 and dense on the CPU; the first of them is that token of all
// that are kept. Texts come in their order.
using ActivationRows = std::function<Status(std::size_t site, std::int64_t first_token, const at::Tensor& rows)>;

// How many texts are done: fewer than all where it was cancelled, and then some sites may have got rows of further
// ones.
Result<std::int64_t> dump_activations(const Engine& engine, const DumpRequest& request, const ActivationRows& take,
                                      const TaskContext& task = {});

// Neighbours that go through the model together: [begin, end) of the rows, padded within the budget of tokens.
std::vector<std::pair<std::size_t, std::size_t>> neighbours_together(const TokenRows& rows, std::int64_t budget);

// Means and second moments of what tokens have. Sums are kept in float64, since a corpus has millions of tokens.
class TokenStatistics {
public:
  // `products`: the products of all pairs of dimensions too.
  explicit TokenStatistics(bool products) : with_products_(products) {}
  void add(const at::Tensor& rows); // [token, d] or [token, head, d]
  std::int64_t tokens() const { return tokens_; }
  // These are undefined until a token has been added.
  at::Tensor mean() const { return over_tokens(sum_); }
  at::Tensor mean_square() const { return over_tokens(squares_); }
  at::Tensor second_moment() const { return over_tokens(products_); } // mean of x x^T, [d, d] or [head, d, d]

private:
  at::Tensor over_tokens(const at::Tensor& sum) const { return sum.defined() ? sum / tokens_ : sum; }

  bool with_products_;
  std::int64_t tokens_ = 0;
  at::Tensor sum_, squares_, products_;
};

} // namespace headscope
