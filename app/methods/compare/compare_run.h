// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a text under several mechanisms and measures each against full attention.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/compare/survival.h"
#include "app/methods/inputs/needle_input.h"
#include "core/mechanisms/comparison.h"

namespace headscope::methods {

struct CompareTask {
  std::vector<std::int64_t> ids; // the text
  NeedleTask needle;
  std::vector<std::string> attention;  // specs as given
  std::vector<std::int64_t> lengths;   // ascending; the last is that of the text
  std::int64_t skip = 0;               // predictions that are left out
  bool heads = true;                   // whether every head is measured, at the full length
  std::vector<DetectorPlan> detectors; // also run under each

  std::int64_t runs() const; // of a text
};

struct MechanismResult {
  std::string attention; // as given
  struct AtLength {
    std::int64_t tokens = 0;
    mechanisms::PredictionMeasures predictions;
    double seconds = 0.0;
  };
  std::vector<AtLength> lengths;
  struct Needle {
    std::int64_t tokens = 0;
    double depth = 0.0;
    double nll = 0.0; // mean loss of the answer's tokens, nats
  };
  std::vector<Needle> needles;             // by length and depth
  mechanisms::HeadMeasures heads;          // empty where not measured
  std::vector<Survival> survival;          // by detector
  std::optional<double> efficiency_length; // from which full attention is slower, by the times at these lengths
  std::optional<double> index;             // compositional index over the compared mechanisms
};

struct Comparison {
  std::int64_t tokens = 0, skip = 0, n_layers = 0, n_heads = 0;
  std::int64_t n_ctx = 0;
  MechanismResult full, floor;             // full attention, and none at all: what every mechanism lies between
  std::vector<MechanismResult> mechanisms; // those that were measured at all lengths
  bool complete = true;                    // false: cancelled
};

// Returns invalid_argument, at --attention, where a spec does not fit the model.
Status check_plans(const Engine& engine, const CompareTask& task);
// As check_plans() where one does not fit.
Result<Comparison> run_comparison(const Engine& engine, const CompareTask& task, const Context& context);

} // namespace headscope::methods
