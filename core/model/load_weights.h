// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a model's parameters into the engine's layout, one tensor at a time and each straight into its
// final place where the file's layout allows, so that little more memory than the weights is ever held.
#pragma once

#include "core/io/checkpoint.h"
#include "core/model/families/family.h"
#include "core/model/model.h"

namespace headscope {

// Errors: corrupt (a tensor is missing or holds NaN), mismatch (its shape is not the config's).
Result<ModelWeights> load_weights(const Checkpoint& checkpoint, const FormatRules& rules, const ModelConfig& config,
                                  const LoadOptions& options);

// Rows of the embedding under this family's name; for formats whose metadata have no vocabulary size.
Result<std::int64_t> embedding_rows(const Checkpoint& checkpoint, const FormatRules& rules);

} // namespace headscope
