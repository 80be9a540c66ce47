// SPDX-License-Identifier: GPL-3.0-or-later
// The method `patch`: puts activations of one run into another (activation patching), or estimates the effect
// (attribution patching).
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/inputs/pair_set.h"
#include "core/sweeps/attribution_patching.h"

namespace headscope::methods {

struct PatchOptions {
  PairSetOptions pairs;
  std::string site = "resid_pre";
  PatchingOptions patching; // its site is that of the name
  bool estimate = false;
  std::int64_t check = 16; // of an estimate: this many of the strongest cells, and as many others
};

Result<PatchingOptions> patching_of(const PatchOptions& options);
GuardOptions guard_of(const PatchOptions& options);

std::unique_ptr<Cells> make_patch_cells(const PatchOptions& options);
std::unique_ptr<Method> make_patch();

} // namespace headscope::methods
