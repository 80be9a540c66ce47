// SPDX-License-Identifier: GPL-3.0-or-later
// A factor for each head, read from a result file: vision-aware head reinforcement and the like while generating.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/engine/intervention.h"
#include "core/model/model.h"

namespace headscope::methods {

struct HeadFactors {
  std::string file;                                   // empty: no factors
  std::string array = "/detectors/vision/vhr_factor"; // [layer, head]
  Phase phase = Phase::decode;
};

// Returns one intervention for each head whose factor is not 1. Returns mismatch for an array of another model or
// shape.
Result<std::vector<Intervention>> scale_by(const HeadFactors& factors, const Model& model);

} // namespace headscope::methods
