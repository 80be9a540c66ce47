// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a model's parameters into the engine's layout, one tensor at a time, each straight into its final place where
// the file's layout allows, so that hardly more memory than that of the weights is ever used.
#pragma once

#include "core/io/checkpoint.h"
#include "core/model/families/family.h"
#include "core/model/model.h"

namespace headscope {

// Errors: corrupt (a tensor is missing or holds NaN), mismatch (its shape is not the config's).
Result<ModelWeights> load_weights(const Checkpoint& checkpoint, const FormatRules& rules, const ModelConfig& config,
                                  const LoadOptions& options);

// The number of rows of the embedding under this family's name, for formats whose metadata lack the vocabulary size.
Result<std::int64_t> embedding_rows(const Checkpoint& checkpoint, const FormatRules& rules);

} // namespace headscope
