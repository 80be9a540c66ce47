// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a text under several mechanisms and measures each against full attention.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "core/mechanisms/comparison.h"

namespace headscope::methods {

struct CompareTask {
  std::vector<std::int64_t> ids;      // the text
  std::vector<std::string> attention; // specs as given
  std::vector<std::int64_t> lengths;  // ascending; the last is that of the text
  std::int64_t skip = 0;              // predictions that are left out
  bool heads = true;                  // whether every head is measured, at the full length
};

struct MechanismResult {
  std::string attention; // as given
  struct AtLength {
    std::int64_t tokens = 0;
    mechanisms::PredictionMeasures predictions;
    double seconds = 0.0;
  };
  std::vector<AtLength> lengths;
  mechanisms::HeadMeasures heads; // empty where not measured
};

struct Comparison {
  std::int64_t tokens = 0, skip = 0, n_layers = 0, n_heads = 0;
  std::vector<MechanismResult> mechanisms; // those that were measured at all lengths
  bool complete = true;                    // false: cancelled
};

// Returns invalid_argument where a spec does not fit the model.
Result<Comparison> run_comparison(const Engine& engine, const CompareTask& task, const Context& context);

} // namespace headscope::methods
