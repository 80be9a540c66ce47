// SPDX-License-Identifier: GPL-3.0-or-later
// Stores a patching run in a result file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/store/result_file.h"
#include "core/sweeps/attribution_patching.h"

namespace headscope::methods {

// A patching result: exact, or estimated with some cells checked.
struct Patches {
  PatchingResult result;
  std::optional<AttributionPatching> estimate;
};

std::vector<std::string> axis_names(PatchAxes axes);
std::vector<std::int64_t> shape_of(const PatchingResult& result);
// How many pairs each cell averages over; empty where that is the same for all.
std::vector<std::int64_t> unequal_pairs_of_cell(const PatchingResult& result);

// Stores /patching/NAME: averages over the pairs, and the values of every pair.
Status store_patching(store::ResultWriter& writer, const std::string& name, const Model& model,
                      const std::vector<PatchPair>& pairs, const std::string& task, const PatchingOptions& options,
                      const Patches& patches);

} // namespace headscope::methods
