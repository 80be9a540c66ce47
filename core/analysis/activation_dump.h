// SPDX-License-Identifier: GPL-3.0-or-later
// Hands out activations of any hook points, token by token, while the model runs: memory holds one point of one batch
// of texts at a time. Also computes their means and second moments.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/base/run_control.h"
#include "core/engine/engine.h"
#include "core/sweeps/sweep.h"

namespace headscope {

// A point whose axes begin with [batch, pos]; attention scores and the pattern, with a value for every pair of
// positions, cannot be dumped.
struct WantedSite {
  HookSite site;
  // The heads that are kept at a point with a head axis (K/V heads at K/V points); empty: all.
  std::vector<std::int64_t> heads = {};
};

// The shape of one token's activation: [d], or [head, d].
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

// Receives rows [token, token_shape ...] of a site, float32 and contiguous on the CPU; `first_token` is the index of
// the first row among all kept tokens. Texts come in order.
using ActivationRows = std::function<Status(std::size_t site, std::int64_t first_token, const at::Tensor& rows)>;

// Returns how many texts are done: fewer than all where cancelled, and then some sites may have received rows of
// further texts.
Result<std::int64_t> dump_activations(const Engine& engine, const DumpRequest& request, const ActivationRows& take,
                                      const RunControl& control = {});

// Neighbouring rows that are run together: [begin, end) of the rows, padded within the budget of tokens.
std::vector<std::pair<std::size_t, std::size_t>> neighbours_together(const TokenRows& rows, std::int64_t budget);

// Means and second moments over tokens. Sums are kept in float64, since a corpus has millions of tokens.
class TokenStatistics {
public:
  // `products` adds the products of all pairs of dimensions.
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
