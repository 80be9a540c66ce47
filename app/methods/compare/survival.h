// SPDX-License-Identifier: GPL-3.0-or-later
// Which heads that detectors name under full attention they still name under another.
#pragma once

#include <string>
#include <vector>

#include "app/methods/detect/detect_run.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {

struct Survival {
  std::string detector;
  std::string skipped; // why there is nothing
  struct Head {
    HeadId head;
    double full = 0.0, own = 0.0; // scores; NaN: not measured
    bool named_by_full = false, named = false;
  };
  std::vector<Head> heads; // that are named under either, full attention's first, strongest first
  std::int64_t named_by_full() const;
  std::int64_t kept() const; // of those
  std::int64_t added() const;
};

// Compares what detectors found on one engine and on another, each detector by its own thresholds.
std::vector<Survival> survival(const DetectorOutcomes& full, const DetectorOutcomes& own);

// What detectors find with this attention in place of the engine's; null: full attention.
Result<DetectorOutcomes> detect_under(const std::vector<DetectorPlan>& detectors, const Engine& engine,
                                      std::shared_ptr<const AttentionBackend> attention, const Context& context);

} // namespace headscope::methods
