// SPDX-License-Identifier: GPL-3.0-or-later
// Results as groups of a result file, for the commands and for experiments. docs/file-format.md has the schema.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cli/circuit_run.h"
#include "core/analysis/attribution_patching.h"
#include "core/analysis/direct_logit_attribution.h"
#include "core/circuits/path_patching.h"
#include "core/store/result_file.h"

namespace headscope::cli {

// Exact, or estimated with some cells checked.
struct Patches {
  PatchingResult result;
  std::optional<AttributionPatching> estimate;
};

std::vector<std::string> axis_names(PatchAxes axes);
std::vector<std::int64_t> shape_of(const PatchingResult& result);
double mean_over(const std::vector<double>& values);

// /patching/NAME, means over the pairs.
Status store_patching(store::ResultWriter& writer, const std::string& name, const Model& model,
                      const std::vector<PatchPair>& pairs, const std::string& task, const PatchingOptions& options,
                      const Patches& patches);

// FOLDER/heads and its kin; `ids` are the prompts'.
Status store_attribution(store::ResultWriter& writer, const std::string& folder, const std::vector<std::string>& ids,
                         const DirectLogitAttribution& found);

struct PathLabels {
  std::string metric, units;
  std::vector<std::string> receivers;
  bool through_mlps = true;
};
// FOLDER/effects and FOLDER/clean.
Status store_paths(store::ResultWriter& writer, const std::string& folder, const PathLabels& labels,
                   const PathEffects& found, const ComputationalGraph& graph);

// /graph/NAME with its curves.
Status store_circuit(store::ResultWriter& writer, const CircuitOutcome& outcome);

} // namespace headscope::cli
