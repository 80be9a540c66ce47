// SPDX-License-Identifier: GPL-3.0-or-later
// Stores path patching in a result file.
#pragma once

#include <string>
#include <vector>

#include "core/circuits/path_patching.h"
#include "core/store/result_file.h"

namespace headscope::methods {

struct PathLabels {
  std::string metric, units;
  std::vector<std::string> receivers;
  bool through_mlps = true;
};
// Stores FOLDER/effects and FOLDER/clean.
Status store_paths(store::ResultWriter& writer, const std::string& folder, const PathLabels& labels,
                   const PathEffects& found, const ComputationalGraph& graph);

} // namespace headscope::methods
