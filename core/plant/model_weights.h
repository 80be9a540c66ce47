// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

#include "core/plant/layout.h"
#include "core/plant/vocabulary.h"

namespace headscope::plant {

struct Tensor {
  std::string name; // Llama's in Hugging Face files
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// Makes all tensors of the model: the recipes of its heads as weights, with axes permuted by the seed and noise of
// options.noise added.
std::vector<Tensor> make_weights(const PlantOptions& options, const std::vector<PlantedHead>& heads,
                                 const Vocabulary& vocabulary);

} // namespace headscope::plant
