// SPDX-License-Identifier: GPL-3.0-or-later
// Where heads look on a text: how far, over how many keys, and from which kinds of tokens at which.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/run_control.h"
#include "core/engine/engine.h"

namespace headscope {

struct SpreadRequest {
  std::vector<std::int64_t> tokens;
  std::int64_t skip = 0;          // first queries that are left out
  std::int64_t width = 0;         // tokens in a row of a grid; 0: there is none
  std::vector<std::int64_t> keys; // ascending
  std::vector<int> classes;       // [pos], 0 to n_classes - 1
  int n_classes = 0;
};

// Of each head, [layer, head_index], with further axes before. Means are over the queries that are not left out.
struct AttentionSpread {
  // sum_j A[i, j] (i - j), its mean over queries; and the root of the mean over queries of the variance within one.
  std::vector<double> distance, distance_spread;
  // The same of the distance in a grid, row by row: the root of rows² + columns². Empty without a grid.
  std::vector<double> grid_distance, grid_distance_spread;
  // [key count]: -ln of the weight on the k largest keys, i.e. KL of the pattern cut to them from the pattern, nats.
  std::vector<double> keys_kl;
  // [class of query, class of key]: mean weight on keys of a class over queries of a class; NaN where there is none.
  std::vector<double> class_mass;
};

// Runs the text once under the engine's attention. Returns unsupported where the pattern has negative weights, and
// invalid_argument, at "skip", where no query is left. Weights are divided by their sum where that is not 1.
Result<AttentionSpread> measure_spread(const Engine& engine, const SpreadRequest& request, const RunControl& control);

} // namespace headscope
