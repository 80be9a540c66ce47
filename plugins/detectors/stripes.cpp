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

StripeMeans::StripeMeans(const ModelConfig& config)
    : n_heads_(config.n_heads), means_(static_cast<std::size_t>(config.n_layers)) {}

void StripeMeans::add(const AttentionStatistics& layer) {
  means_[static_cast<std::size_t>(layer.layer)] = layer.stripe.select(2, 0).mean(0).cpu();
}

std::vector<float> StripeMeans::means() const {
  std::vector<float> all;
  for (const at::Tensor& layer : means_)
    for (std::int64_t head = 0; head < n_heads_; ++head)
      all.push_back(layer.defined() ? static_cast<float>(layer[head].item<double>())
                                    : std::numeric_limits<float>::quiet_NaN());
  return all;
}

} // namespace headscope
