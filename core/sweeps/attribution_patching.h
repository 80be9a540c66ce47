// SPDX-License-Identifier: GPL-3.0-or-later
// Attribution patching (Nanda 2023; Syed et al. 2310.10348): estimates every cell of activation patching from two runs
// and one gradient, as (source - destination) . d metric / d activation on the destination run. A first-order estimate
// can be far off, e.g. early in the residual stream, so some cells are patched exactly and compared.
#pragma once

#include <cstdint>
#include <vector>

#include "core/sweeps/patching.h"

namespace headscope {

struct GuardOptions {
  std::int64_t strongest = 16; // cells with the largest estimated effects that are patched exactly
  std::int64_t random = 16;    // and as many of the others, drawn with `seed`
  std::uint64_t seed = 0;
  double relative = 0.25; // agreement: |estimated - exact| within this share of the larger of the two,
  double absolute = 0.02; // or within this; in units of `restored`
};

struct CheckedCell {
  std::int64_t pair = 0;
  int layer = 0;
  std::int64_t position = 0, head = 0; // indices of the result's axes
  double estimated = 0.0, exact = 0.0; // restored
  bool agrees = false;
};

struct AttributionPatching {
  PatchingResult estimated;         // all numbers but clean and corrupt are estimates
  std::vector<CheckedCell> checked; // strongest first, then the random ones
  std::int64_t disagreements() const;
};

// Returns invalid_argument for answer_rank and accuracy, which have no gradient; other errors are
// patch_activations()'s.
Result<AttributionPatching> attribute_patches(const Engine& engine, const std::vector<PatchPair>& pairs,
                                              const PatchingOptions& options, const GuardOptions& guard,
                                              const RunControl& control = {});

} // namespace headscope
