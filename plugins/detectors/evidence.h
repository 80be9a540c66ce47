// SPDX-License-Identifier: GPL-3.0-or-later
// What detectors keep of the prompts that they ran.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "plugins/sdk/detector.h"

namespace headscope {

// As text and pieces; without a tokenizer the pieces are the ids.
store::Prompt prompt_evidence(const Engine& engine, const std::string& id, const std::vector<std::int64_t>& token_ids);

// `values` in single precision, for scores and maps.
std::vector<float> as_floats(const std::vector<double>& values);

// Numbers of the standard normal distribution, drawn from a seed (splitmix64; Box and Muller).
std::vector<double> normal_numbers(std::uint64_t seed, std::size_t count);

// Mean over prompts of A[last token, key] [layer, head], and of each prompt [prompt, layer, head] where `each` is
// given. `keys`: one a prompt.
Result<std::vector<double>> attention_from_last(const Engine& engine,
                                                const std::vector<std::vector<std::int64_t>>& prompts,
                                                const std::vector<std::int64_t>& keys, const CancelToken& cancel,
                                                std::vector<double>* each = nullptr);

// What a kind asks for beside the threshold.
struct HeadCondition {
  std::string name; // of the value, as of the map that holds it: "attention"
  double least = 0.0;
  std::function<double(std::size_t index)> value;
};
// Names the heads at or above the threshold that also fulfil all conditions, and says of the others why not.
void name_heads_where(DetectorResult& result, const std::vector<HeadCondition>& conditions);

} // namespace headscope
