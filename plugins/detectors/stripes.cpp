// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/stripes.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace headscope {

at::Tensor repeated_tokens(const RepeatedTokens& spec) {
  at::Generator generator = at::detail::createCPUGenerator(spec.seed);
  const at::Tensor half = at::randint(spec.low, spec.high, {spec.batch, spec.n}, generator, at::kLong);
  return at::cat({half, half}, 1);
}

StripeSum::StripeSum(const ModelConfig& config, std::int64_t distance)
    : n_heads_(config.n_heads), distance_(distance), sums_(static_cast<std::size_t>(config.n_layers)),
      counts_(static_cast<std::size_t>(config.n_layers), 0) {}

void StripeSum::add(const PatternTile& tile) {
  // Row i of the tile is query query_begin + i; its key is that minus the distance.
  const at::Tensor stripe = tile.pattern.diagonal(tile.query_begin - distance_, 2, 3); // [batch, head, i]
  if (stripe.size(2) == 0) return;
  const auto layer = static_cast<std::size_t>(tile.layer);
  const at::Tensor sum = stripe.to(at::kDouble).sum(at::IntArrayRef{0, 2}).cpu();
  sums_[layer] = sums_[layer].defined() ? sums_[layer] + sum : sum;
  counts_[layer] += stripe.size(0) * stripe.size(2);
}

std::vector<float> StripeSum::means() const {
  std::vector<float> means;
  for (std::size_t layer = 0; layer < sums_.size(); ++layer)
    for (std::int64_t head = 0; head < n_heads_; ++head)
      means.push_back(counts_[layer] == 0 ? std::numeric_limits<float>::quiet_NaN()
                                          : static_cast<float>(sums_[layer][head].item<double>() /
                                                               static_cast<double>(counts_[layer])));
  return means;
}

} // namespace headscope
