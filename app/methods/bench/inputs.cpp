// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/inputs.h"

#include <algorithm>
#include <random>

namespace headscope::methods {

std::vector<HeadId> spread_heads(std::int64_t count, const ModelConfig& config) {
  const std::int64_t all = config.n_layers * config.n_heads;
  count = std::min(count, all);
  std::vector<HeadId> heads;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t layer = i % config.n_layers * config.n_layers / std::min(count, config.n_layers);
    heads.push_back({static_cast<int>(count < config.n_layers ? layer : i % config.n_layers), i / config.n_layers});
  }
  return heads;
}

std::vector<std::vector<std::int64_t>> random_rows(std::int64_t rows, std::int64_t length, std::uint64_t seed,
                                                   std::int64_t d_vocab) {
  std::mt19937_64 random(seed); // its numbers are the same everywhere; a distribution's are not
  std::vector<std::vector<std::int64_t>> out(static_cast<std::size_t>(rows));
  for (auto& row : out)
    for (std::int64_t i = 0; i < length; ++i)
      row.push_back(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(d_vocab)));
  return out;
}

std::vector<AblationPrompt> sweep_prompts(std::vector<std::vector<std::int64_t>> rows) {
  std::vector<AblationPrompt> prompts;
  for (auto& row : rows)
    prompts.push_back({std::move(row), {{1}, {2}}});
  return prompts;
}

} // namespace headscope::methods
