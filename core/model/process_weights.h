// SPDX-License-Identifier: GPL-3.0-or-later
// Rewrites weights so that activations are easier to read while log-probabilities stay the same, as
// TransformerLens's fold_ln, center_writing_weights, center_unembed and fold_value_biases do.
#pragma once

#include "core/base/result.h"
#include "core/model/model.h"

namespace headscope {

// Returns invalid_argument, naming the option, where this architecture has no such equivalence.
Status process_weights(const WeightProcessing& processing, ModelConfig& config, ModelWeights& weights);

} // namespace headscope
