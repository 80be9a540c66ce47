// SPDX-License-Identifier: GPL-3.0-or-later
// Heads and token ids that the benches run on.
#pragma once

#include <vector>

#include "core/sweeps/head_ablation.h"

namespace headscope::methods {

// Chooses `count` heads, spread evenly over the layers; in each layer the first ones.
std::vector<HeadId> spread_heads(std::int64_t count, const ModelConfig& config);

// Makes rows of `length` token ids each, the same for a seed on every machine.
std::vector<std::vector<std::int64_t>> random_rows(std::int64_t rows, std::int64_t length, std::uint64_t seed,
                                                   std::int64_t d_vocab);

// Makes prompts with any two tokens as answers, since the work is the same.
std::vector<AblationPrompt> sweep_prompts(std::vector<std::vector<std::int64_t>> rows);

} // namespace headscope::methods
