// SPDX-License-Identifier: GPL-3.0-or-later
// Sweeps computed the plain way, to compare with: without batches or restarts, each cell in a run of its own from the
// first token on.
#pragma once

#include <vector>

#include "core/sweeps/head_ablation.h"
#include "core/sweeps/patching.h"

namespace headscope {

// What ablate_heads() gives: every head and prompt alone.
Result<HeadAblationResult> ablate_heads_plainly(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                                const HeadAblationOptions& options, const RunControl& control = {});

// What patch_activations() gives: every cell alone.
Result<PatchingResult> patch_activations_plainly(const Engine& engine, const std::vector<PatchPair>& pairs,
                                                 const PatchingOptions& options, const RunControl& control = {});

} // namespace headscope
