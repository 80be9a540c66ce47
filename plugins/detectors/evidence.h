// SPDX-License-Identifier: GPL-3.0-or-later
// Evidence that detectors keep about the prompts they ran.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "plugins/sdk/detector.h"

namespace headscope {

// Stores a prompt as text and pieces; without a tokenizer the pieces are the ids.
store::Prompt prompt_evidence(const Engine& engine, const std::string& id, const std::vector<std::int64_t>& token_ids);

// Converts `values` to single precision, for scores and maps.
std::vector<float> as_floats(const std::vector<double>& values);

// Draws numbers of the standard normal distribution from a seed (splitmix64; Box and Muller).
std::vector<double> normal_numbers(std::uint64_t seed, std::size_t count);

// Computes A[last token, key], averaged over prompts [layer, head], and for each prompt [prompt, layer, head] where
// `each` is given. `keys` has one key per prompt.
Result<std::vector<double>> attention_from_last(const Engine& engine,
                                                const std::vector<std::vector<std::int64_t>>& prompts,
                                                const std::vector<std::int64_t>& keys, const CancelToken& cancel,
                                                std::vector<double>* each = nullptr);

// A condition of a kind of head besides the threshold.
struct HeadCondition {
  std::string name; // of the value, as of the map that holds it: "attention"
  double least = 0.0;
  std::function<double(std::size_t index)> value;
};
// Names the heads at or above the threshold that also fulfil all conditions, and records why the others do not.
void name_heads_where(DetectorResult& result, const std::vector<HeadCondition>& conditions);

} // namespace headscope
